import type { EpochMillis } from "../../../lib/units.ts";
import type { CommittedOffset, GroupRecord } from "./group-metadata.ts";

/** Committed offsets of one group by topic and partition. Changed by `replay` only. */
export class GroupOffsets {
  readonly #byTopic = new Map<string, Map<number, CommittedOffset>>();
  /** Producers with an offset commit in an open transaction, by topic and partition (KIP-447). */
  readonly #open = new Map<string, Map<number, Set<number>>>();

  get isEmpty(): boolean {
    return this.#byTopic.size === 0;
  }

  get topics(): Iterable<string> {
    return this.#byTopic.keys();
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#byTopic.get(topic)?.get(partition);
  }

  ofTopic(topic: string): ReadonlyMap<number, CommittedOffset> {
    return this.#byTopic.get(topic) ?? new Map<number, CommittedOffset>();
  }

  replay(topic: string, partition: number, value: CommittedOffset | null): void {
    let partitions = this.#byTopic.get(topic);
    if (value !== null) {
      if (partitions === undefined) {
        partitions = new Map();
        this.#byTopic.set(topic, partitions);
      }
      partitions.set(partition, value);
      return;
    }
    partitions?.delete(partition);
    if (partitions?.size === 0) this.#byTopic.delete(topic);
  }

  /** A transaction has committed an offset that is not decided yet. */
  openTransactional(topic: string, partition: number, producerId: number): void {
    let partitions = this.#open.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#open.set(topic, partitions);
    }
    let producers = partitions.get(partition);
    if (producers === undefined) partitions.set(partition, (producers = new Set()));
    producers.add(producerId);
  }

  /** The producer's transaction ended, one way or the other. */
  closeTransactional(producerId: number): void {
    for (const [topic, partitions] of this.#open) {
      for (const [partition, producers] of partitions) {
        producers.delete(producerId);
        if (producers.size === 0) partitions.delete(partition);
      }
      if (partitions.size === 0) this.#open.delete(topic);
    }
  }

  /** A fetch that requires stable offsets must wait (UNSTABLE_OFFSET_COMMIT). */
  isUnstable(topic: string, partition: number): boolean {
    return this.#open.get(topic)?.has(partition) ?? false;
  }

  /** Tombstones for every offset that `condition` picks. */
  tombstones(
    groupId: string,
    condition: (topic: string, partition: number, value: CommittedOffset) => boolean,
  ): GroupRecord[] {
    const records: GroupRecord[] = [];
    for (const [topic, partitions] of this.#byTopic) {
      for (const [partition, value] of partitions) {
        if (condition(topic, partition, value)) {
          records.push({ kind: "offset", groupId, topic, partition, value: null });
        }
      }
    }
    return records;
  }
}

/**
 * When an offset of a group without members expires (KIP-211): its own time if the commit set one, else `retentionMs`
 * after the group became empty or, in a group that never had members, after the commit.
 */
export function expiresAt(
  value: CommittedOffset,
  emptySince: EpochMillis | undefined,
  retentionMs: number,
): EpochMillis {
  if (value.expireTimestamp >= 0) return value.expireTimestamp;
  return Math.max(value.commitTimestamp, emptySince ?? value.commitTimestamp) + retentionMs;
}
