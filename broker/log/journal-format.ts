import { crc32c } from "../../lib/crc32c.ts";
import {
  batchSizeAt,
  batchHeaderAt,
  crcMatches,
  BATCH_HEADER_BYTES,
} from "../protocol/record-batch.ts";

/**
 * A journal is a stream of entries at growing positions, cut into files. A file begins with a header that says at
 * which position; an entry says its own, so that what a recycled file held before is never taken for new. (pure)
 *
 * Entry: crc u32, length u32, position f64, kind u8, how far behind it the last sync had come u24 (in units of 64 bytes,
 * rounded up, plus one; 0 if that is not said), topic id 16, partition u32, offset f64, padding u16, 2 spare, payload. The
 * checksum covers all of the entry but, in an append, the part of the batch that the batch's own checksum covers. So many
 * bytes as `padding` says lie between it and the next entry.
 */
export const ENTRY_HEADER_BYTES = 52;
export const FILE_HEADER_BYTES = 4096;
const FILE_MAGIC = 0x464a_4c32;
/** Of a batch, the bytes before those under its own checksum. */
const BATCH_UNCOVERED_BYTES = 21;

const SYNCED_UNIT_BYTES = 64;
const SYNCED_MOST = 0xff_ffff;

export const EntryKind = {
  /** A record batch at its offset. */
  append: 1,
  /** The log ends at the offset. */
  truncate: 2,
  /** The log is empty and begins at the offset. */
  startAt: 3,
  /** Payload i32: a leader epoch begins at the offset. */
  epoch: 4,
  /** The log starts at the offset. */
  logStart: 5,
} as const;

export type EntryKindValue = (typeof EntryKind)[keyof typeof EntryKind];

export interface EntryHead {
  readonly kind: EntryKindValue;
  readonly topicId: Uint8Array;
  readonly partition: number;
  readonly offset: number;
}

/** Writes the header of an entry whose payload lies behind it already, and its checksum. */
export function sealEntry(
  bytes: Uint8Array,
  at: number,
  length: number,
  journalPosition: number,
  synced: number,
  head: EntryHead,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(at + 4, length);
  view.setFloat64(at + 8, journalPosition);
  const behind = Math.ceil((journalPosition - synced) / SYNCED_UNIT_BYTES) + 1;
  view.setUint32(at + 16, (head.kind << 24) | (behind > SYNCED_MOST ? 0 : behind));
  bytes.set(head.topicId, at + 20);
  view.setUint32(at + 36, head.partition);
  view.setFloat64(at + 40, head.offset);
  view.setUint32(at + 48, 0);
  view.setUint32(at, crc32c(bytes, at + 4, at + coveredBytes(head.kind, length)));
}

/** The next entry does not follow at once but after `padding` bytes, at most 65,535. */
export function padEntry(bytes: Uint8Array, at: number, padding: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint16(at + 48, padding);
  const covered = coveredBytes(view.getUint8(at + 16), view.getUint32(at + 4));
  view.setUint32(at, crc32c(bytes, at + 4, at + covered));
}

function coveredBytes(kind: number, length: number): number {
  return kind === EntryKind.append
    ? Math.min(length, ENTRY_HEADER_BYTES + BATCH_UNCOVERED_BYTES)
    : length;
}

export interface Entry extends EntryHead {
  readonly payload: Uint8Array;
  /** All before this journal position was on stable storage when the entry was made; 0 if it does not say. */
  readonly syncedBefore: number;
  /** Where the next entry is. */
  readonly next: number;
}

/** The entry at `at`, or undefined when no whole, valid entry of that journal position is there: the torn tail. */
export function readEntry(
  bytes: Uint8Array,
  at: number,
  journalPosition: number,
): Entry | undefined {
  if (bytes.length - at < ENTRY_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(at + 4);
  if (length < ENTRY_HEADER_BYTES || length > bytes.length - at) return undefined;
  if (view.getFloat64(at + 8) !== journalPosition) return undefined;
  const kind = view.getUint8(at + 16) as EntryKindValue;
  if (kind < EntryKind.append || kind > EntryKind.logStart) return undefined;
  if (crc32c(bytes, at + 4, at + coveredBytes(kind, length)) !== view.getUint32(at))
    return undefined;
  const payload = bytes.subarray(at + ENTRY_HEADER_BYTES, at + length);
  if (kind === EntryKind.append) {
    const size = batchSizeAt(payload, 0);
    if (size !== payload.length || size < BATCH_HEADER_BYTES) return undefined;
    if (!crcMatches(payload, batchHeaderAt(payload, 0, size))) return undefined;
  }
  const behind = view.getUint32(at + 16) & SYNCED_MOST;
  return {
    kind,
    syncedBefore: behind === 0 ? 0 : journalPosition - (behind - 1) * SYNCED_UNIT_BYTES,
    topicId: bytes.subarray(at + 20, at + 36),
    partition: view.getUint32(at + 36),
    offset: view.getFloat64(at + 40),
    payload,
    next: at + length + view.getUint16(at + 48),
  };
}

/** What the entry with which `bytes` begin says of its position, if there is one. */
export function positionOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(8);
}

/**
 * Whether behind `at`, where no whole entry is, one lies that was made when more than that was on stable storage: then this
 * is no torn tail, what was synced has been damaged since.
 * @param journalPosition of `at`
 */
export function syncedBeyond(bytes: Uint8Array, at: number, journalPosition: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const last = bytes.length - ENTRY_HEADER_BYTES;
  const [least, most] = [highWord(journalPosition), highWord(journalPosition + bytes.length - at)];
  for (let here = at + 1; here <= last; here++) {
    const high = view.getUint32(here + 8);
    if (high < least || high > most) continue;
    const entry = readEntry(bytes, here, journalPosition + here - at);
    if (entry !== undefined && entry.syncedBefore > journalPosition) return true;
  }
  return false;
}

/** Of a position as an entry has it, the first four bytes; they grow with it. */
function highWord(position: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, position);
  return view.getUint32(0);
}

/** The first bytes of a journal file: the position of its first entry. */
export function fileHeader(startPosition: number): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, FILE_MAGIC);
  view.setFloat64(4, startPosition);
  view.setUint32(12, crc32c(bytes, 0, 12));
  return bytes;
}

/** The start position of a file, or undefined when it has no valid header (never synced). */
export function readFileHeader(bytes: Uint8Array): number | undefined {
  if (bytes.length < FILE_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== FILE_MAGIC || view.getUint32(12) !== crc32c(bytes, 0, 12))
    return undefined;
  return view.getFloat64(4);
}
