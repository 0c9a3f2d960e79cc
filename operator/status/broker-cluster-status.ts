import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { CLUSTER_LABEL } from "../../cluster/resources.ts";
import type { Condition } from "../../kube/objects.ts";
import type { EpochMillis } from "../../lib/units.ts";
import type { StatefulSet } from "../resources/workloads.ts";
import type { ClusterFinding } from "./cluster-finding.ts";
import { kstatus, withConditions, type WantedCondition } from "../../cluster/conditions.ts";
import { interruptionCondition, named } from "./interruption-condition.ts";
import { listenersCondition } from "./listeners-condition.ts";
import { pausedCondition } from "./paused-condition.ts";
import { upgradeCondition } from "./upgrade-condition.ts";

export type BrokerClusterStatus = NonNullable<BrokerCluster["status"]>;
type Verdict = Parameters<typeof kstatus>[0];

/** Conditions that are there only while they are true. */
const PASSING = ["ListenersReady", "Paused", "RestartInterrupts", "UpgradeAvailable"];

/**
 * Finding and StatefulSet → status of the BrokerCluster (pure).
 * @param bootstrap where clients connect; undefined when the spec does not tell
 */
export function brokerClusterStatus(
  cluster: BrokerCluster,
  finding: ClusterFinding,
  set: StatefulSet | undefined,
  bootstrap: string | undefined,
  wallNow: EpochMillis,
): BrokerClusterStatus {
  const { listeners, ...before } = cluster.status ?? {};
  const { name, generation } = cluster.metadata;
  const conditions = (wanted: readonly WantedCondition[]): readonly Condition[] =>
    withConditions(
      before.conditions?.filter(
        ({ type }) => !PASSING.includes(type) || wanted.some((one) => one.type === type),
      ),
      wanted,
      generation,
      wallNow,
    );
  // What was found before still stands: nobody has looked since.
  if (finding.kind === "paused")
    return { ...cluster.status, conditions: conditions(pausedCondition(true)) };
  const applied = finding.kind === "applied" ? finding : undefined;
  const outside = applied?.outside;
  // What stands in the way of the whole says nothing of them: clients that are connected go on.
  const told = applied === undefined ? listeners : outside?.map(({ status }) => status);
  return {
    ...before,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(bootstrap === undefined ? {} : { bootstrap }),
    ...(told === undefined ? {} : { listeners: told }),
    brokers: set?.status?.replicas ?? 0,
    readyBrokers: set?.status?.readyReplicas ?? 0,
    selector: `${CLUSTER_LABEL}=${name}`,
    conditions: conditions([
      ...kstatus(verdict(cluster.spec.brokers, finding, set)),
      ...interruptionCondition(applied?.interrupted ?? []),
      ...upgradeCondition(applied?.upgrade),
      ...listenersCondition(outside?.flatMap(({ missing }) => missing)),
    ]),
  };
}

function verdict(wanted: number, finding: ClusterFinding, set: StatefulSet | undefined): Verdict {
  switch (finding.kind) {
    case "refused":
      return { is: "stalled", reason: finding.reason, message: finding.message };
    case "waiting":
      return { is: "reconciling", reason: finding.reason, message: finding.message };
    case "paused":
    case "applied":
      break;
  }
  const reconciling = (reason: string, message: string): Verdict => ({
    is: "reconciling",
    reason,
    message,
  });
  const applied = finding.kind === "applied" ? finding : { kind: "applied" as const };
  const { scaleDown, restart, growing = [], podProblem } = applied;
  const brokers = set?.status?.replicas ?? 0;
  const ready = set?.status?.readyReplicas ?? 0;
  if (scaleDown !== undefined && scaleDown.replicas > wanted) {
    return reconciling(
      "DrainingBrokers",
      drainingMessage(wanted, scaleDown, applied.tooWide ?? []),
    );
  }
  if (restart !== undefined && restart.outdated.length > 0) {
    const ids = restart.outdated.join(", ");
    const what = `brokers ${ids} are still to be restarted`;
    const why = restart.wait === undefined ? "" : `; ${restart.wait.message}`;
    const problem = podProblem === undefined ? "" : ` (${podProblem})`;
    return reconciling("RollingRestart", what + why + problem);
  }
  if (brokers !== wanted || ready < wanted) {
    const problem = podProblem === undefined ? "" : `; ${podProblem}`;
    return reconciling("BrokersNotReady", `${ready} of ${wanted} brokers are ready${problem}`);
  }
  if (!isSettled(set)) {
    return reconciling("Applying", "the StatefulSet was changed and has not been looked at yet");
  }
  if (growing.length > 0) {
    return reconciling("VolumesGrowing", `volumes are being grown: ${named(growing)}`);
  }
  const missing = (applied.outside ?? []).flatMap((one) => one.missing);
  if (missing.length > 0) return reconciling("ListenersNotReady", named(missing, "; "));
  return { is: "ready", reason: "BrokersReady", message: `${ready} brokers are ready` };
}

/** Its controller has seen its newest spec, so that what its status says is of that. */
export function isSettled(set: StatefulSet | undefined): boolean {
  const seen = set?.status?.observedGeneration ?? 0;
  return set !== undefined && seen >= (set.metadata.generation ?? 0);
}

function drainingMessage(
  wanted: number,
  { replicas, held, example }: NonNullable<(ClusterFinding & { kind: "applied" })["scaleDown"]>,
  tooWide: readonly string[],
): string {
  const last = replicas - 1;
  const who = last === wanted ? `broker ${last} holds` : `brokers ${wanted} to ${last} hold`;
  const which =
    example === undefined
      ? ""
      : `, for example that of ${example.partition} on broker ${example.broker}`;
  const stuck =
    tooWide.length === 0
      ? ""
      : `; these topics have more than ${wanted} replicas, lower their spec.replicas: ${named(tooWide)}`;
  return `${who} ${held} replicas that have to move first${which}${stuck}`;
}
