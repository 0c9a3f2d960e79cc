import { BATCH_HEADER_BYTES } from "../protocol/record-batch.ts";
import { DamagedError } from "./damage.ts";
import { LOOKAHEAD_BYTES, READ_BYTES, type ReadBuffer, type ReadBuffers } from "./read-buffers.ts";
import type { Segment } from "./segment.ts";
import { isOfIndex } from "./segment-indexes.ts";
import type { Offset } from "./types.ts";
import { firstDamaged, wholeBatches } from "./whole-batches.ts";

const NOTHING: ReadBuffer = { bytes: new Uint8Array(0), release: () => undefined };

/** What is wanted of a segment. */
export interface WantedBatches {
  readonly offset: Offset;
  readonly maxBytes: number;
  readonly upTo: Offset;
  readonly minOneBatch: boolean;
  /** Where the segment ends. */
  readonly endOffset: Offset;
  /** Position from which on checksums need not be looked at. */
  readonly recentFrom: number;
}

/**
 * Whole batches of one segment from its file, from the one that holds the offset or the first one behind it, in a buffer to
 * be released; undefined when there is none before `upTo`.
 * @throws DamagedError when what is there is not what was written
 */
export async function readSegment(
  segment: Segment,
  buffers: ReadBuffers,
  { offset, maxBytes, upTo, minOneBatch, endOffset, recentFrom }: WantedBatches,
): Promise<ReadBuffer | undefined> {
  const most = Math.min(maxBytes, READ_BYTES);
  const first = segment.baseOffset;
  let entry = await segment.entryFor(offset);
  let begin = entry?.position ?? 0;
  let position = begin;
  let want = most + LOOKAHEAD_BYTES;
  /** What was passed over by its headers must be whole if the read does not come out at the offset. */
  const refuseDamaged = async (before: number): Promise<void> => {
    if (begin >= recentFrom) return;
    const found = await firstDamaged(segment, begin, before);
    if (found === undefined) return;
    throw new DamagedError({ segment: segment.baseOffset, ...found }, "checksum");
  };
  /** @returns whether there is nothing more: not if it was brought, meanwhile, to a file that had been cut short */
  const nothingBehind = async (before: number, end: number): Promise<boolean> => {
    const { written } = segment;
    await refuseDamaged(before);
    await segment.refuseMissing(begin, end);
    return segment.written <= written;
  };
  for (;;) {
    const length = Math.min(want, segment.written - position);
    if (length < BATCH_HEADER_BYTES) {
      if (position === begin && begin > 0) {
        // No batch is there: the index is wrong, or the file was cut short before it.
        entry = undefined;
        begin = 0;
        position = 0;
        continue;
      }
      if (await nothingBehind(position, position)) return undefined;
      position = begin;
      want = most + LOOKAHEAD_BYTES;
      continue;
    }
    const buffer = buffers.take(length);
    let kept = false;
    try {
      const filled = await segment.read(position, buffer.bytes);
      const bytes = buffer.bytes.subarray(0, filled);
      if (entry !== undefined && position === begin && !isOfIndex(bytes, entry)) {
        entry = undefined;
        begin = 0;
        position = 0;
        continue;
      }
      const { start, end, needed, damage, gap } = wholeBatches(
        bytes,
        {
          offset,
          upTo,
          maxBytes: most,
          minOneBatch,
          left: segment.written - position,
          range: {
            expected: position === 0 ? first : undefined,
            first,
            end: endOffset,
          },
        },
        recentFrom - position,
      );
      const found = start >= 0 && end > start;
      if (gap || (damage !== undefined && !found)) {
        await refuseDamaged(position + (start >= 0 ? start : end));
      }
      if (damage !== undefined && !found) {
        const place = { segment: segment.baseOffset, position: position + end };
        throw new DamagedError({ ...place, offset: damage.offset }, damage.what);
      }
      if (found) {
        kept = true;
        return { bytes: bytes.subarray(start, end), release: buffer.release };
      }
      if (start >= 0 && needed > 0) {
        position += start;
        want = needed;
      } else if (start >= 0) {
        return NOTHING;
      } else {
        const last = end === 0 || position + end >= segment.written;
        if (last && (await nothingBehind(position + end, segment.written))) return undefined;
        position = last ? begin : position + end;
        want = most + LOOKAHEAD_BYTES;
      }
    } finally {
      if (!kept) buffer.release();
    }
  }
}
