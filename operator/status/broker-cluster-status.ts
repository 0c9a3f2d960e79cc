import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { CLUSTER_LABEL } from "../../cluster/resources.ts";
import type { EpochMillis } from "../../lib/units.ts";
import { bootstrapName, PORTS, type ClusterContext } from "../resources/context.ts";
import type { StatefulSet } from "../resources/workloads.ts";
import { kstatus, withConditions } from "./conditions.ts";

export type BrokerClusterStatus = NonNullable<BrokerCluster["status"]>;

/** What keeps a cluster from being as its spec says, if anything does. */
export type ClusterFinding =
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  | { readonly kind: "applied" };

/** Finding and StatefulSet → status of the BrokerCluster (pure). */
export function brokerClusterStatus(
  context: ClusterContext,
  finding: ClusterFinding,
  set: StatefulSet | undefined,
  wallNow: EpochMillis,
): BrokerClusterStatus {
  const { cluster } = context;
  const { name, namespace = "default", generation } = cluster.metadata;
  const brokers = set?.status?.replicas ?? 0;
  const readyBrokers = set?.status?.readyReplicas ?? 0;
  return {
    ...cluster.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    bootstrap: `${bootstrapName(context)}.${namespace}.svc:${String(PORTS.plaintext)}`,
    brokers,
    readyBrokers,
    selector: `${CLUSTER_LABEL}=${name}`,
    conditions: withConditions(
      cluster.status?.conditions,
      kstatus(verdict(context, finding, brokers, readyBrokers)),
      generation,
      wallNow,
    ),
  };
}

function verdict(
  { cluster, replicas }: ClusterContext,
  finding: ClusterFinding,
  brokers: number,
  ready: number,
): Parameters<typeof kstatus>[0] {
  if (finding.kind === "refused") {
    return { is: "stalled", reason: finding.reason, message: finding.message };
  }
  const wanted = cluster.spec.brokers;
  if (replicas > wanted) {
    return {
      is: "reconciling",
      reason: "DrainingBrokers",
      message: `brokers ${String(wanted)} to ${String(replicas - 1)} still hold partitions`,
    };
  }
  if (brokers !== wanted || ready < wanted) {
    return {
      is: "reconciling",
      reason: "BrokersNotReady",
      message: `${String(ready)} of ${String(wanted)} brokers are ready`,
    };
  }
  return { is: "ready", reason: "BrokersReady", message: `${String(ready)} brokers are ready` };
}
