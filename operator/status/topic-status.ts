import type { RecordedStates } from "../../cluster/leadership-shard.ts";
import { NO_LEADER, type PartitionSlice } from "../../cluster/partition-slice.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { EpochMillis } from "../../lib/units.ts";
import type { TopicRefusal, TopicShape } from "../plan/topic-shape.ts";
import { kstatus, withConditions } from "../../cluster/conditions.ts";

export type TopicStatus = NonNullable<Topic["status"]>;

/** What the operator found when it looked at a topic. */
export type TopicFinding =
  | { readonly kind: "refused"; readonly refusal: TopicRefusal }
  /** Nothing is wrong, but something must be there first. */
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "placed"; readonly shape: TopicShape };

/** Finding, slices and what is recorded of their partitions → status of the Topic (pure). */
export function topicStatus(
  topic: Topic,
  finding: TopicFinding,
  slices: readonly PartitionSlice[],
  states: RecordedStates,
  wallNow: EpochMillis,
): TopicStatus {
  const shape = finding.kind === "placed" ? finding.shape : undefined;
  // Chosen replicas may be of any number.
  const replicas = topic.spec.assignments === undefined ? shape?.replicas : undefined;
  const counts = countPartitions(slices, states, replicas);
  const before = topic.status;
  return {
    ...before,
    ...(topic.metadata.generation === undefined
      ? {}
      : { observedGeneration: topic.metadata.generation }),
    ...(topic.metadata.uid === undefined ? {} : { topicId: topic.metadata.uid }),
    ...(shape === undefined
      ? {}
      : {
          topicName: shape.topicName,
          replicas: shape.replicas,
          minInSyncReplicas: shape.minInSyncReplicas,
          ...reasonOf(topic, shape),
        }),
    partitions: counts.partitions,
    underReplicated: counts.underReplicated,
    offline: counts.offline,
    conditions: withConditions(
      before?.conditions,
      kstatus(verdict(finding, counts)),
      topic.metadata.generation,
      wallNow,
    ),
  };
}

/** The sum that led to the number stays, until the topic is another one. */
function reasonOf(
  { metadata, status }: Topic,
  { partitions, partitionsReason }: TopicShape,
): { readonly partitionsReason?: string } {
  if (partitionsReason === undefined) return {};
  const settled =
    status?.partitionsReason !== undefined &&
    status.partitions === partitions &&
    status.observedGeneration === metadata.generation;
  return settled ? {} : { partitionsReason };
}

interface Counts {
  readonly partitions: number;
  readonly offline: number;
  readonly underReplicated: number;
  /** On the move, or going to be since they are to have another number of replicas. */
  readonly moving: number;
}

function countPartitions(
  slices: readonly PartitionSlice[],
  states: RecordedStates,
  replicas: number | undefined,
): Counts {
  let partitions = 0;
  let offline = 0;
  let underReplicated = 0;
  let moving = 0;
  for (const slice of slices) {
    for (const [index, placement] of slice.spec.partitions.entries()) {
      partitions++;
      const state = states.of(slice, index);
      if (state === undefined || state.leader === NO_LEADER) offline++;
      const adding = placement.adding ?? [];
      const staying = placement.replicas.filter((id) => !adding.includes(id));
      if (state === undefined || !staying.every((id) => state.isr.includes(id))) underReplicated++;
      const removing = placement.removing ?? [];
      const width = placement.replicas.length - removing.length;
      const isOtherwise = replicas !== undefined && width !== replicas;
      if (adding.length > 0 || removing.length > 0 || isOtherwise) moving++;
    }
  }
  return { partitions, offline, underReplicated, moving };
}

function verdict(finding: TopicFinding, counts: Counts): Parameters<typeof kstatus>[0] {
  switch (finding.kind) {
    case "refused":
      return { is: "stalled", ...finding.refusal };
    case "waiting":
      return { is: "reconciling", reason: finding.reason, message: finding.message };
    case "placed": {
      const { partitions, offline, moving } = counts;
      const of = `of ${String(partitions)} partitions`;
      if (partitions < finding.shape.partitions) {
        const message = `${String(partitions)} of ${String(finding.shape.partitions)} partitions are placed`;
        return { is: "reconciling", reason: "Placing", message };
      }
      if (offline > 0) {
        const message = `${String(offline)} ${of} have no leader`;
        return { is: "reconciling", reason: "PartitionsOffline", message };
      }
      const { setAside = 0 } = finding.shape;
      const aside =
        setAside === 0
          ? ""
          : `; ${String(setAside)} of spec.assignments name brokers that the cluster is not to have, and do not count`;
      const message = `${String(partitions)} partitions have leaders${aside}`;
      const moves = `${String(moving)} ${of} are being moved`;
      return {
        is: "ready",
        reason: "PartitionsOnline",
        message,
        ...(moving > 0 ? { underWay: { reason: "MovingReplicas", message: moves } } : {}),
      };
    }
  }
}
