import type { BrokerId } from "../../cluster/broker.ts";
import { labelValue, sliceName } from "../../cluster/names.ts";
import {
  PARTITIONS_PER_SLICE,
  type PartitionPlacement,
  type PartitionSlice,
} from "../../cluster/partition-slice.ts";
import { API_VERSION, CLUSTER_LABEL, TOPIC_LABEL } from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import { kafkaName } from "./topic-shape.ts";

/** A write of a topic's slices. */
export type SliceWrite =
  | {
      readonly kind: "create";
      readonly firstPartition: number;
      readonly partitions: readonly PartitionPlacement[];
    }
  /** `partitions` in place of those that `slice` has; a compare-and-swap on its resourceVersion. */
  | {
      readonly kind: "update";
      readonly slice: PartitionSlice;
      readonly partitions: readonly PartitionPlacement[];
    };

/** The slices of one topic: those of this Topic object, not of a deleted one with the same name. */
export function slicesOf(topic: Topic, slices: Iterable<PartitionSlice>): PartitionSlice[] {
  return [...slices]
    .filter(
      (slice) =>
        slice.spec.topicId === topic.metadata.uid && slice.metadata.deletionTimestamp === undefined,
    )
    .sort((a, b) => a.spec.firstPartition - b.spec.firstPartition);
}

/** Placements of partitions 0, 1, 2 … as far as the slices have them without a gap. */
export function placementsOf(slices: readonly PartitionSlice[]): PartitionPlacement[] {
  const placements: PartitionPlacement[] = [];
  for (const { spec } of slices) {
    if (spec.firstPartition !== placements.length) break;
    placements.push(...spec.partitions);
  }
  return placements;
}

/**
 * What makes the topic's slices hold `placements` (pure): the record of each partition stays in its slice, slices are
 * filled to 100 partitions, and only what differs is written.
 */
export function planSlices(
  present: readonly PartitionSlice[],
  placements: readonly PartitionPlacement[],
): readonly SliceWrite[] {
  const writes: SliceWrite[] = [];
  for (let first = 0; first < placements.length; first += PARTITIONS_PER_SLICE) {
    const partitions = placements.slice(first, first + PARTITIONS_PER_SLICE);
    const slice = present.find(({ spec }) => spec.firstPartition === first);
    if (slice === undefined) {
      writes.push({ kind: "create", firstPartition: first, partitions });
    } else if (!samePlacements(slice.spec.partitions, partitions)) {
      writes.push({ kind: "update", slice, partitions });
    }
  }
  return writes;
}

/** Name of the slice of the topic that begins with this partition. */
export function sliceNameOf(topic: Topic, firstPartition: number): string {
  return sliceName(topic.metadata.name, firstPartition / PARTITIONS_PER_SLICE);
}

/** @param shard where its leaderships are recorded, for ever */
export function newSlice(
  topic: Topic,
  firstPartition: number,
  partitions: readonly PartitionPlacement[],
  shard: string,
): PartitionSlice {
  const { name, namespace, uid = "" } = topic.metadata;
  return {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: {
      name: sliceNameOf(topic, firstPartition),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { [CLUSTER_LABEL]: topic.spec.cluster, [TOPIC_LABEL]: labelValue(name) },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: "Topic",
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      cluster: topic.spec.cluster,
      topic: kafkaName(topic),
      topicId: uid,
      shard,
      firstPartition,
      partitions,
    },
  };
}

function samePlacements(
  a: readonly PartitionPlacement[],
  b: readonly PartitionPlacement[],
): boolean {
  return a.length === b.length && a.every((placement, at) => samePlacement(placement, b[at]));
}

export function samePlacement(a: PartitionPlacement, b: PartitionPlacement | undefined): boolean {
  return (
    b !== undefined &&
    sameIds(a.replicas, b.replicas) &&
    sameIds(a.adding ?? [], b.adding ?? []) &&
    sameIds(a.removing ?? [], b.removing ?? [])
  );
}

function sameIds(a: readonly BrokerId[], b: readonly BrokerId[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at]);
}
