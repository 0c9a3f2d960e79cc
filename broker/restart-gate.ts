import type { BrokerId } from "../cluster/broker.ts";
import {
  blockedBy,
  inSyncWithout,
  interruptedTopics,
  type InterruptedTopic,
  neededWithout,
  type ReplicatedPartition,
  stayingReplicas,
  wantedReplicas,
} from "../cluster/restart-safety.ts";
import type { RecordedPartition } from "./metadata/partition-records.ts";

/** What the broker itself says of being stopped; each list is in words, and empty when nothing is in the way. */
export interface RestartGate {
  /** Why it does not count as whole again after a start. */
  readonly behind: readonly string[];
  /** Why it had better not stop now; waiting helps. */
  readonly neededFor: readonly string[];
  /** Topics that will notice its stop whenever it comes; waiting does not help. */
  readonly interrupted: readonly InterruptedTopic[];
}

export interface RestartGateInputs {
  readonly self: BrokerId;
  /** Registered and listening. */
  readonly ready: boolean;
  /** What it knows is not older than the session timeout (R7). */
  readonly inTouch: boolean;
  readonly partitions: Iterable<RecordedPartition>;
  readonly minInSyncReplicas: (record: RecordedPartition) => number;
}

/** The rule is the operator's (`planRollingRestart`), on what this broker has heard (core). */
export function restartGate(inputs: RestartGateInputs): RestartGate {
  const unfit = inputs.ready
    ? inputs.inTouch
      ? undefined
      : "neither the controller nor the Kubernetes API was heard lately"
    : "it has not registered yet, or is stopping";
  if (unfit !== undefined) return { behind: [unfit], neededFor: [unfit], interrupted: [] };
  const { self } = inputs;
  const own = [...inputs.partitions]
    .map((record) => replicated(record, inputs.minInSyncReplicas(record)))
    .filter(({ replicas, isr }) => replicas.includes(self) || isr.includes(self));
  return {
    behind: own
      .filter(({ replicas, isr }) => replicas.includes(self) && !isr.includes(self))
      .map(({ name }) => `the replica of ${name} is not in sync`),
    neededFor: blockedBy(own, self).map(
      (one) =>
        `${one.name} would have ${inSyncWithout(one, self).length} in-sync replicas and needs ${neededWithout(one, self)}`,
    ),
    interrupted: interruptedTopics(own),
  };
}

function replicated(record: RecordedPartition, minInSyncReplicas: number): ReplicatedPartition {
  const { topic, partition, placement } = record;
  const isr = record.state?.isr ?? [];
  return {
    topic,
    name: `${topic}-${partition}`,
    replicas: stayingReplicas(placement, isr),
    wantedReplicas: wantedReplicas(placement),
    isr,
    minInSyncReplicas,
  };
}
