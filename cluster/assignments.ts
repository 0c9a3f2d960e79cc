import type { BrokerId } from "./broker.ts";
import type { PartitionPlacement } from "./partition-slice.ts";

/**
 * Replicas that somebody has chosen, partition by partition (spec.assignments of a Topic); where there is none, or an empty
 * one, the operator chooses.
 */
export type Assignments = readonly (readonly BrokerId[])[];

/**
 * The replicas chosen for a partition, undefined where the operator is to choose: also where a broker is named that is not
 * to stay in the cluster, since what must be comes before what somebody wishes. (pure)
 * @param brokers the cluster's brokers are 0 to `brokers` - 1
 */
export function chosenReplicas(
  assignments: Assignments | undefined,
  partition: number,
  brokers: number,
): readonly BrokerId[] | undefined {
  const chosen = assignments?.[partition];
  if (chosen === undefined || chosen.length === 0) return undefined;
  return chosen.every((id) => id >= 0 && id < brokers) ? chosen : undefined;
}

/** Where a partition's replicas are to be once its move is over. */
export function targetReplicas({
  replicas,
  removing = [],
}: PartitionPlacement): readonly BrokerId[] {
  return replicas.filter((id) => !removing.includes(id));
}

/** Where they were before its move began, as far as that can be told. */
export function formerReplicas({ replicas, adding = [] }: PartitionPlacement): readonly BrokerId[] {
  return replicas.filter((id) => !adding.includes(id));
}

/**
 * As how many replicas a partition counts for `min.insync.replicas`: as many as it is to have. During a move its placement is
 * the union of old and new, of which a majority may be more than there ever were in sync; and of those that are neither
 * to come nor to go there may be one left, when a move is changed under way, which says nothing of what was asked for (R3).
 */
export function replicaCount(placement: PartitionPlacement): number {
  return Math.max(1, targetReplicas(placement).length);
}

/** A move under way, or one that is wished for and has not begun: what KIP-455 tells of a reassignment. */
export interface ReassignmentProgress {
  /** All that hold the partition or are to. */
  readonly replicas: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

/** @param chosen as `chosenReplicas` says. @returns undefined when the replicas are where they are to be. (pure) */
export function reassignmentOf(
  placement: PartitionPlacement,
  chosen: readonly BrokerId[] | undefined,
): ReassignmentProgress | undefined {
  const before = formerReplicas(placement);
  const goal = chosen ?? targetReplicas(placement);
  const adding = goal.filter((id) => !before.includes(id));
  const removing = placement.replicas.filter((id) => !goal.includes(id));
  if (adding.length === 0 && removing.length === 0) return undefined;
  return { replicas: [...goal, ...removing], adding, removing };
}
