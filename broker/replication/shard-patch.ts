import { recordPath, stateText } from "../../cluster/leadership-shard.ts";
import type { PartitionState } from "../../cluster/partition-slice.ts";
import type { JsonPatchOperation } from "../../kube/api.ts";
import type { ShardImage } from "../metadata/partition-records.ts";

/** One partition's record in a shard: what it was decided on and what it is to be. */
export interface RecordChange {
  /** Its `recordKey`. */
  readonly key: string;
  readonly from: PartitionState;
  readonly to: PartitionState;
}

/** From this share of a shard's records on, all of them written anew are less for the API server than operations on some. */
const WHOLE_SHARE = 1 / 8;

/** A `test` and a `replace` for each record: it does not matter what becomes of the others meanwhile (pure). */
export function recordPatch(changes: readonly RecordChange[]): JsonPatchOperation[] {
  return changes.flatMap(({ key, from, to }): JsonPatchOperation[] => {
    const path = recordPath(key);
    return [
      { op: "test", path, value: stateText(from) },
      { op: "replace", path, value: stateText(to) },
    ];
  });
}

/**
 * All records of a shard written anew, bound to the version of the shard that the changes were decided on (pure): it is
 * refused when anything of the shard has changed since.
 * @returns undefined where `recordPatch` is less, or where the changes were not decided on what this copy has
 */
export function wholePatch(
  shard: ShardImage | undefined,
  changes: readonly RecordChange[],
): JsonPatchOperation[] | undefined {
  if (shard?.resourceVersion === undefined) return undefined;
  const { partitions, resourceVersion } = shard;
  const atLeast = Math.max(2, Object.keys(partitions).length * WHOLE_SHARE);
  if (changes.length < atLeast) return undefined;
  if (changes.some(({ key, from }) => partitions[key] !== stateText(from))) return undefined;
  const changed = Object.fromEntries(changes.map(({ key, to }) => [key, stateText(to)]));
  return [
    { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
    { op: "replace", path: "/status/partitions", value: { ...partitions, ...changed } },
  ];
}
