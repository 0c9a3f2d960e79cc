import {
  batchHeaderAt,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  crcMatches,
  MAGIC,
} from "../protocol/record-batch.ts";
import { type OffsetRange, trueOffset } from "./batch-order.ts";
import { DamagedError } from "./damage.ts";
import { LOOKAHEAD_BYTES } from "./read-buffers.ts";
import type { Segment } from "./segment.ts";
import type { Offset } from "./types.ts";

/** Base offset, length, leader epoch and magic byte come before the checksum. */
const CHECKSUM_AT = 17;
/** The most that is read at once of what is looked through. */
const SCAN_BYTES = 1024 * 1024;

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
    /** What the first of these bytes may begin with. */
    readonly range: OffsetRange;
  },
  recentFrom: number,
): WholeBatches {
  let start = -1;
  let at = 0;
  let gap = false;
  /** Behind the last batch. */
  let { expected } = bounds.range;
  for (;;) {
    const size = batchSizeAt(bytes, at);
    if (size === undefined || bytes.length - at < BATCH_HEADER_BYTES) break;
    if (size < BATCH_HEADER_BYTES || size > bounds.left - at) {
      // The first of a read may lie before what was asked for, and is known by what is left of it only.
      const { baseOffset } = batchHeaderAt(bytes, at, BATCH_HEADER_BYTES);
      const offset = expected ?? Math.min(baseOffset, bounds.offset);
      return { start, end: at, needed: 0, gap, damage: { offset, what: "batch length" } };
    }
    const header = batchHeaderAt(bytes, at, size);
    const truth = trueOffset(bytes, header, { ...bounds.range, expected });
    if (truth !== undefined || header.magic !== MAGIC) {
      const what = truth === undefined ? "magic byte" : "base offset";
      return {
        start,
        end: at,
        needed: 0,
        gap,
        damage: { offset: truth ?? header.baseOffset, what },
      };
    }
    const jumps = header.baseOffset > (expected ?? bounds.offset);
    const cut = at + size + BATCH_HEADER_BYTES;
    if (jumps && cut > bytes.length && cut <= bounds.left) {
      // Whether it belongs behind a gap is told by what follows it.
      const needed = start < 0 ? size + LOOKAHEAD_BYTES : 0;
      return { start: start < 0 ? at : start, end: at, needed, gap };
    }
    if (header.baseOffset >= bounds.upTo) {
      gap ||= start < 0;
      break;
    }
    if (start < 0 && header.lastOffset < bounds.offset) {
      at += size;
      expected = header.lastOffset + 1;
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
    expected = header.lastOffset + 1;
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

/**
 * The headers of the batches from `position` on, while `visit` returns true. Their checksums are right.
 * @throws DamagedError
 */
export async function scanWhole(
  segment: Segment,
  position: number,
  visit: (batch: BatchHeader) => boolean,
): Promise<void> {
  let buffer = new Uint8Array(Math.min(SCAN_BYTES, Math.max(0, segment.written - position)));
  let next = segment.baseOffset;
  for (let at = position; ;) {
    if (at >= segment.written) {
      await segment.refuseMissing(Math.min(position, segment.written), segment.written);
      // What a file lacked may have been brought meanwhile.
      if (at >= segment.written) return;
    }
    if (buffer.length === 0) buffer = new Uint8Array(Math.min(SCAN_BYTES, segment.written - at));
    const filled = await segment.read(at, buffer);
    const bytes = buffer.subarray(0, Math.min(filled, segment.written - at));
    let within = 0;
    let needed = 0;
    while (needed === 0 && within < bytes.length) {
      const size = batchSizeAt(bytes, within) ?? BATCH_HEADER_BYTES;
      const fits = size >= BATCH_HEADER_BYTES && at + within + size <= segment.written;
      if (fits && within + size > bytes.length) {
        needed = size;
        continue;
      }
      const batch = fits ? batchHeaderAt(bytes, within, size) : undefined;
      if (batch === undefined || !crcMatches(bytes, batch)) {
        const offset =
          bytes.length - within < BATCH_HEADER_BYTES ? next : baseOffsetAt(bytes, within);
        const place = { segment: segment.baseOffset, position: at + within, offset };
        throw new DamagedError(place, fits ? "checksum" : "batch length");
      }
      if (!visit({ ...batch, position: at + within })) return;
      next = batch.lastOffset + 1;
      within += size;
    }
    if (within === 0 && needed <= buffer.length) {
      const place = { segment: segment.baseOffset, position: at, offset: next };
      throw new DamagedError(place, "the file is shorter than it was");
    }
    at += within;
    if (needed > buffer.length) buffer = new Uint8Array(needed);
  }
}

function baseOffsetAt(bytes: Uint8Array, position: number): Offset {
  return batchHeaderAt(bytes, position, BATCH_HEADER_BYTES).baseOffset;
}

/**
 * Whether a batch may be put over what lies there: not over another whole one, but over the same with another base offset,
 * leader epoch or magic byte, which are under no checksum.
 */
export async function replaceable(
  segment: Segment,
  position: number,
  batch: Uint8Array,
): Promise<boolean> {
  const size = await sizeOfWhole(segment, position);
  if (size === undefined) return true;
  if (size !== batch.length) return false;
  const there = new Uint8Array(size);
  await segment.read(position, there);
  const same = (from: number): boolean =>
    Buffer.compare(there.subarray(from), batch.subarray(from)) === 0;
  return same(CHECKSUM_AT) && !same(0);
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
