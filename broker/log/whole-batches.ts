import {
  batchHeaderAt,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  crcMatches,
} from "../protocol/record-batch.ts";
import type { Segment } from "./segment.ts";
import type { Offset } from "./types.ts";

/** What of a segment's bytes can be served. Positions count from the first of these bytes. */
export interface WholeBatches {
  /** Of the batch that holds the wanted offset, or the first one behind it; -1 if it is not here. */
  readonly start: number;
  /** Behind the last batch that is whole and within the bounds; without a start, where to go on. */
  readonly end: number;
  /** Bytes that the first batch takes if it is not all here. */
  readonly needed: number;
  /** What is wrong at `end`. */
  readonly damage?: { readonly offset: Offset; readonly what: string };
  /** The first batch lies behind the wanted offset: rightly after compaction, or one before it is damaged. */
  readonly gap: boolean;
}

/**
 * The batches in `bytes` from the one that holds `offset` on, as far as they are whole and within the bounds. Their checksums
 * are right, but for those from `recentFrom` on. Those before are passed over by their headers only. (pure)
 */
export function wholeBatches(
  bytes: Uint8Array,
  bounds: {
    readonly offset: Offset;
    readonly upTo: Offset;
    readonly maxBytes: number;
    readonly minOneBatch: boolean;
    /** Bytes from here to the end of the file: no batch is longer. */
    readonly left: number;
  },
  recentFrom: number,
): WholeBatches {
  let start = -1;
  let at = 0;
  let gap = false;
  /** Behind the last batch that was whole. */
  let next: Offset | undefined;
  for (;;) {
    const size = batchSizeAt(bytes, at);
    if (size === undefined || bytes.length - at < BATCH_HEADER_BYTES) break;
    if (size < BATCH_HEADER_BYTES || size > bounds.left - at) {
      // The first of a read may lie before what was asked for, and is known by what is left of it only.
      const { baseOffset } = batchHeaderAt(bytes, at, BATCH_HEADER_BYTES);
      const offset = next ?? Math.min(baseOffset, bounds.offset);
      return { start, end: at, needed: 0, gap, damage: { offset, what: "batch length" } };
    }
    const header = batchHeaderAt(bytes, at, size);
    if (header.baseOffset >= bounds.upTo) {
      gap ||= start < 0;
      break;
    }
    if (header.lastOffset < bounds.offset) {
      at += size;
      continue;
    }
    if (start < 0) {
      start = at;
      gap = header.baseOffset > bounds.offset;
    }
    const first = at === start;
    if (at + size - start > bounds.maxBytes && !(first && bounds.minOneBatch)) break;
    if (at + size > bytes.length) return { start, end: at, needed: first ? size : 0, gap };
    if (at < recentFrom && !crcMatches(bytes, header)) {
      const damage = { offset: header.baseOffset, what: "checksum" };
      return { start, end: at, needed: 0, gap, damage };
    }
    at += size;
    next = header.lastOffset + 1;
  }
  return { start, end: at, needed: 0, gap };
}

/** Whether a whole batch lies there: the log may have been cut and gone on since the damage was found. */
export async function isWhole(segment: Segment, position: number): Promise<boolean> {
  return (await sizeOfWhole(segment, position)) !== undefined;
}

/**
 * Looks at the checksums of the batches that a read has passed over: what they say of their offsets and lengths is not to be
 * believed where the read does not come out as it should.
 * @returns where the first damaged one lies and its base offset, as far as can be told; undefined when all are whole
 */
export async function firstDamaged(
  segment: Segment,
  from: number,
  to: number,
): Promise<{ readonly position: number; readonly offset: Offset } | undefined> {
  const head = new Uint8Array(BATCH_HEADER_BYTES);
  for (let position = from; position < to && position < segment.written;) {
    const size = await sizeOfWhole(segment, position);
    if (size === undefined) {
      await segment.read(position, head);
      return { position, offset: batchHeaderAt(head, 0, BATCH_HEADER_BYTES).baseOffset };
    }
    position += size;
  }
  return undefined;
}

async function sizeOfWhole(segment: Segment, position: number): Promise<number | undefined> {
  const head = new Uint8Array(BATCH_HEADER_BYTES);
  if ((await segment.read(position, head)) < BATCH_HEADER_BYTES) return undefined;
  const size = batchSizeAt(head, 0) ?? 0;
  if (size < BATCH_HEADER_BYTES || position + size > segment.written) return undefined;
  const bytes = new Uint8Array(size);
  await segment.read(position, bytes);
  return crcMatches(bytes, batchHeaderAt(bytes, 0, size)) ? size : undefined;
}
