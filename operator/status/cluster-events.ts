import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { ClusterContext } from "../resources/context.ts";
import type { EventObject, StatefulSet } from "../resources/workloads.ts";
import type { BrokerClusterStatus } from "./broker-cluster-status.ts";

/** What is worth telling a person. */
export interface ToldEvent {
  readonly type: EventObject["type"];
  readonly reason: string;
  readonly message: string;
}

const normal = (reason: string, message: string): ToldEvent => ({
  type: "Normal",
  reason,
  message,
});

/** A child was written (pure). @param before the StatefulSet as it was */
export function childEvent(
  { cluster, replicas, shape }: ClusterContext,
  what: string,
  how: "created" | "changed",
  before: StatefulSet | undefined,
): ToldEvent | undefined {
  const { generation, name } = cluster.metadata;
  if (what === `StatefulSet ${name}`) {
    const had = before?.spec.replicas ?? 0;
    if (before === undefined) return normal("Created", `created ${what} with ${replicas} brokers`);
    if (had !== replicas) {
      const reason = had < replicas ? "ScalingUp" : "ScalingDown";
      return normal(reason, `from ${had} to ${replicas} of ${shape.brokers} wanted brokers`);
    }
  }
  // The spec was in force already: somebody else has changed or removed the child.
  if (generation === undefined || cluster.status?.observedGeneration !== generation) {
    return undefined;
  }
  return normal("ChildRestored", `${what} was ${how} as it should be`);
}

/** What a new status says that the one before did not (pure). */
export function statusEvents(
  cluster: BrokerCluster,
  status: BrokerClusterStatus,
): readonly ToldEvent[] {
  const found: ToldEvent[] = [];
  const { message = "", reason } = status.conditions?.find(({ type }) => type === "Ready") ?? {};
  if (reason === "ListenersNotReady") found.push({ type: "Warning", reason, message });
  const isNew = (type: string): boolean => isTrue(status, type) && !isTrue(cluster.status, type);
  if (isNew("ListenersReady")) {
    const where = (status.listeners ?? []).map(
      ({ name, bootstrap = "" }) => `${name} at ${bootstrap}`,
    );
    found.push(normal("ListenersReady", `clients from outside are served by ${where.join(", ")}`));
  }
  if (isNew("Ready")) {
    const { bootstrap = "" } = status;
    found.push(normal("Ready", `${cluster.spec.brokers} brokers are ready at ${bootstrap}`));
  }
  return found;
}

function isTrue(status: BrokerCluster["status"], condition: string): boolean {
  return (status?.conditions ?? []).some((one) => one.type === condition && one.status === "True");
}
