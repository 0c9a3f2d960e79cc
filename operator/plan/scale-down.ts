import type { BrokerId } from "../../cluster/broker.ts";
import type { RecordedStates } from "../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";

/** Replicas of the StatefulSet, and what keeps it from having fewer. */
export interface ScaleDown {
  readonly replicas: number;
  /** Replicas of partitions on brokers that are to go. */
  readonly held: number;
  /** One of them, for people. */
  readonly example?: { readonly partition: string; readonly broker: BrokerId };
}

/**
 * How many replicas the StatefulSet has while it is to shrink (pure): a broker that a partition's placement or in-sync
 * replicas name stays, and with it those of smaller ids.
 */
export function planScaleDown(
  wanted: number,
  present: number,
  slices: readonly PartitionSlice[],
  states: RecordedStates,
): ScaleDown {
  let needed = wanted;
  let held = 0;
  let example: ScaleDown["example"];
  for (const slice of slices) {
    const { spec } = slice;
    for (const [index, { replicas }] of spec.partitions.entries()) {
      const isr = states.of(slice, index)?.isr ?? [];
      for (const id of new Set([...replicas, ...isr])) {
        if (id < wanted || id >= present) continue;
        held++;
        needed = Math.max(needed, id + 1);
        example ??= { partition: `${spec.topic}-${spec.firstPartition + index}`, broker: id };
      }
    }
  }
  const replicas = Math.min(Math.max(needed, wanted), Math.max(present, wanted));
  return { replicas, held, ...(example === undefined ? {} : { example }) };
}
