import type { BrokerId } from "./broker.ts";
import type { PartitionPlacement } from "./partition-slice.ts";

/** A partition as far as stopping one of its brokers is concerned. */
export interface ReplicatedPartition {
  readonly topic: string;
  /** For people: `orders-3`. */
  readonly name: string;
  /** The replicas that are to stay: without those that a move adds and has not brought in sync, or removes. */
  readonly replicas: readonly BrokerId[];
  /** How many it is to have when no move is under way. */
  readonly wantedReplicas: number;
  /** As recorded; empty when nothing is. */
  readonly isr: readonly BrokerId[];
  readonly minInSyncReplicas: number;
}

/** A topic that cannot do without one of its brokers, and how many of its partitions cannot. */
export interface InterruptedTopic {
  readonly topic: string;
  readonly partitions: number;
}

/** Without those that a move takes away, or brings and has not brought in sync yet (pure). */
export function stayingReplicas(
  { replicas, adding = [], removing = [] }: PartitionPlacement,
  isr: readonly BrokerId[],
): BrokerId[] {
  return replicas.filter(
    (id) => !removing.includes(id) && (!adding.includes(id) || isr.includes(id)),
  );
}

/** How many replicas there are to be when a move has ended. */
export function wantedReplicas({ replicas, removing = [] }: PartitionPlacement): number {
  return replicas.filter((id) => !removing.includes(id)).length;
}

/** In-sync replicas of a partition while a broker is away. */
export function inSyncWithout({ isr }: ReplicatedPartition, away: BrokerId): readonly BrokerId[] {
  return isr.filter((id) => id !== away);
}

/** How many there must be; of a partition that has too few replicas for its minimum all the others. */
export function neededWithout(
  { replicas, isr, minInSyncReplicas }: ReplicatedPartition,
  away: BrokerId,
): number {
  if (!replicas.includes(away) && !isr.includes(away)) return 0;
  return Math.min(minInSyncReplicas, replicas.filter((id) => id !== away).length);
}

/** Those that would have too few in-sync replicas now if a broker stopped, and have enough when all are in sync. */
export function blockedBy(
  partitions: readonly ReplicatedPartition[],
  away: BrokerId,
): readonly ReplicatedPartition[] {
  return partitions.filter((one) => inSyncWithout(one, away).length < neededWithout(one, away));
}

/** Whether it has too few replicas to take acknowledged writes without one of them, however healthy it is. */
function cannotSurvive({ wantedReplicas, minInSyncReplicas }: ReplicatedPartition): boolean {
  return wantedReplicas - 1 < minInSyncReplicas;
}

/** Topics with such partitions, by name. */
export function interruptedTopics(
  partitions: Iterable<ReplicatedPartition>,
): readonly InterruptedTopic[] {
  const counts = new Map<string, number>();
  for (const partition of partitions) {
    if (!cannotSurvive(partition)) continue;
    counts.set(partition.topic, (counts.get(partition.topic) ?? 0) + 1);
  }
  return [...counts]
    .map(([topic, count]) => ({ topic, partitions: count }))
    .sort((a, b) => (a.topic < b.topic ? -1 : 1));
}
