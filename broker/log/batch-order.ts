import {
  batchHeaderAt,
  type BatchHeader,
  batchSizeAt,
  BATCH_HEADER_BYTES,
} from "../protocol/record-batch.ts";
import type { Offset } from "./types.ts";

/** What a batch's offsets have to lie within. */
export interface OffsetRange {
  /** Behind the batch before it, if that is known. */
  readonly expected: Offset | undefined;
  /** Base offset of the segment, and of the one behind it; Infinity for none. */
  readonly first: Offset;
  readonly end: Offset;
}

/**
 * A batch's base offset is under no checksum. That it is not what was written shows in its neighbours: offsets of different
 * batches never overlap, and lie within their segment. Gaps are no sign, compaction leaves them.
 * @param batch with its position in `bytes`, which hold what follows it
 * @returns where the batch begins in truth, as far as can be told; undefined when nothing is wrong with it (pure)
 */
export function trueOffset(
  bytes: Uint8Array,
  batch: BatchHeader,
  { expected, first, end }: OffsetRange,
): Offset | undefined {
  const { baseOffset, lastOffset, position, size } = batch;
  // Not the difference of the two, which may be beyond what a number can tell apart.
  const count = batch.lastOffsetDelta + 1;
  const following = headerAt(bytes, position + size);
  /** If the following one goes on from it. */
  const before = following === undefined ? -1 : following.baseOffset - count;
  if (baseOffset < (expected ?? first) || lastOffset >= end) {
    return expected ?? (before >= first && before + count < end ? before : first);
  }
  if (following === undefined || following.baseOffset > lastOffset) return undefined;
  // One of the two is wrong: this one if it fits between its neighbours elsewhere.
  if (expected !== undefined) return before === expected ? expected : undefined;
  const third = headerAt(bytes, following.position + following.size);
  return before >= first && third?.baseOffset === following.lastOffset + 1 ? before : undefined;
}

function headerAt(bytes: Uint8Array, at: number): BatchHeader | undefined {
  if (bytes.length - at < BATCH_HEADER_BYTES) return undefined;
  const size = batchSizeAt(bytes, at) ?? 0;
  return size < BATCH_HEADER_BYTES ? undefined : batchHeaderAt(bytes, at, size);
}
