import { crc32c } from "../../lib/crc32c.ts";
import { compress, decompress, type CompressionCodec } from "./compression.ts";
import { getInt64, setInt64 } from "./int64.ts";
import { MalformedError, Reader } from "./reader.ts";
import { Writer } from "./writer.ts";
import { concatBytes } from "../../lib/bytes.ts";

/** The format that is stored: record batches, Kafka's message format 2 (KIP-98). */
export const MAGIC = 2;

/** Record batch v2 (protocol guide, "Record Batch"): where its fields lie. */
export const BATCH_HEADER_BYTES = 61;
/** Base offset and length, which the length field does not count. */
export const LOG_OVERHEAD_BYTES = 12;
const OFFSET_LENGTH = 8;
const OFFSET_LEADER_EPOCH = 12;
const OFFSET_MAGIC = 16;
const OFFSET_CRC = 17;
const OFFSET_ATTRIBUTES = 21;
const OFFSET_LAST_OFFSET_DELTA = 23;
const OFFSET_BASE_TIMESTAMP = 27;
const OFFSET_MAX_TIMESTAMP = 35;
const OFFSET_PRODUCER_ID = 43;
const OFFSET_PRODUCER_EPOCH = 51;
const OFFSET_BASE_SEQUENCE = 53;
const OFFSET_COUNT = 57;

const ATTRIBUTE_CODEC = 0x07;
const ATTRIBUTE_LOG_APPEND_TIME = 0x08;
const ATTRIBUTE_TRANSACTIONAL = 0x10;
const ATTRIBUTE_CONTROL = 0x20;
const ATTRIBUTE_DELETE_HORIZON = 0x40;

export const NO_PRODUCER_ID = -1;
export const NO_TIMESTAMP = -1;

/** The header of one batch, read; `position` and `size` say where the whole batch lies in its bytes. */
export interface BatchHeader {
  readonly position: number;
  /** Bytes of the whole batch. */
  readonly size: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly count: number;
  readonly codec: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly deleteHorizon: boolean;
}

/** Size of the batch at `position` by its own length field, or undefined if not even that is there. */
export function batchSizeAt(bytes: Uint8Array, position: number): number | undefined {
  if (bytes.length - position < LOG_OVERHEAD_BYTES) return undefined;
  const at = position + OFFSET_LENGTH;
  const length =
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0);
  return LOG_OVERHEAD_BYTES + length;
}

/** Distance of a batch's last offset from its base offset; the header must be there. */
export function lastOffsetDeltaAt(bytes: Uint8Array, position: number): number {
  return int32At(bytes, position + OFFSET_LAST_OFFSET_DELTA);
}

/** How many records a batch has; the header must be there. */
export function recordCountAt(bytes: Uint8Array, position: number): number {
  return int32At(bytes, position + OFFSET_COUNT);
}

function int32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

/** Reads the header of the batch at `position`. Throws MalformedError when the batch is not whole in `bytes`. */
export function batchAt(bytes: Uint8Array, position: number): BatchHeader {
  const size = batchSizeAt(bytes, position);
  if (size === undefined || size < BATCH_HEADER_BYTES || size > bytes.length - position) {
    throw new MalformedError("record batch cut short");
  }
  return batchHeaderAt(bytes, position, size);
}

/** The same for bytes that hold at least the header. */
export function batchHeaderAt(bytes: Uint8Array, position: number, size: number): BatchHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const int64 = (at: number): number => getInt64(view, position + at);
  const attributes = view.getInt16(position + OFFSET_ATTRIBUTES);
  const baseOffset = int64(0);
  const lastOffsetDelta = view.getInt32(position + OFFSET_LAST_OFFSET_DELTA);
  return {
    position,
    size,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    partitionLeaderEpoch: view.getInt32(position + OFFSET_LEADER_EPOCH),
    magic: view.getInt8(position + OFFSET_MAGIC),
    crc: view.getUint32(position + OFFSET_CRC),
    attributes,
    lastOffsetDelta,
    baseTimestamp: int64(OFFSET_BASE_TIMESTAMP),
    maxTimestamp: int64(OFFSET_MAX_TIMESTAMP),
    producerId: int64(OFFSET_PRODUCER_ID),
    producerEpoch: view.getInt16(position + OFFSET_PRODUCER_EPOCH),
    baseSequence: view.getInt32(position + OFFSET_BASE_SEQUENCE),
    count: view.getInt32(position + OFFSET_COUNT),
    codec: attributes & ATTRIBUTE_CODEC,
    logAppendTime: (attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0,
    transactional: (attributes & ATTRIBUTE_TRANSACTIONAL) !== 0,
    control: (attributes & ATTRIBUTE_CONTROL) !== 0,
    deleteHorizon: (attributes & ATTRIBUTE_DELETE_HORIZON) !== 0,
  };
}

/** The batches of a records field, one after the other. Throws MalformedError at one that is not whole. */
export function* iterateBatches(bytes: Uint8Array): Generator<BatchHeader> {
  for (let at = 0; at < bytes.length;) {
    const batch = batchAt(bytes, at);
    yield batch;
    at += batch.size;
  }
}

/** Whether the checksum is that of the bytes from the attributes on. */
export function crcMatches(bytes: Uint8Array, batch: BatchHeader): boolean {
  return (
    crc32c(bytes, batch.position + OFFSET_ATTRIBUTES, batch.position + batch.size) === batch.crc
  );
}

/** Gives a batch its place in a log; neither field is under the checksum. */
export function stampBatch(
  bytes: Uint8Array,
  position: number,
  baseOffset: number,
  leaderEpoch: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  setInt64(view, position, baseOffset);
  view.setInt32(position + OFFSET_LEADER_EPOCH, leaderEpoch);
}

/** Sets LogAppendTime on a batch, which takes a new checksum. */
export function stampLogAppendTime(
  bytes: Uint8Array,
  position: number,
  size: number,
  time: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const attributes = view.getInt16(position + OFFSET_ATTRIBUTES) | ATTRIBUTE_LOG_APPEND_TIME;
  view.setInt16(position + OFFSET_ATTRIBUTES, attributes);
  setInt64(view, position + OFFSET_MAX_TIMESTAMP, time);
  view.setUint32(
    position + OFFSET_CRC,
    crc32c(bytes, position + OFFSET_ATTRIBUTES, position + size),
  );
}

/** What a batch has in place of what it had, when records were taken out of it. */
export interface RewrittenBatch {
  /** Its records as they are stored. */
  readonly body: Uint8Array;
  readonly codec: number;
  readonly count: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly deleteHorizon: boolean;
}

/** A batch with other records and all else of its header as it was, offsets and producer's sequence too. */
export function rewriteBatch(
  bytes: Uint8Array,
  batch: BatchHeader,
  by: RewrittenBatch,
): Uint8Array {
  const out = new Uint8Array(BATCH_HEADER_BYTES + by.body.length);
  out.set(bytes.subarray(batch.position, batch.position + BATCH_HEADER_BYTES));
  out.set(by.body, BATCH_HEADER_BYTES);
  const view = new DataView(out.buffer);
  view.setInt32(OFFSET_LENGTH, out.length - LOG_OVERHEAD_BYTES);
  view.setInt16(
    OFFSET_ATTRIBUTES,
    (batch.attributes & ~(ATTRIBUTE_CODEC | ATTRIBUTE_DELETE_HORIZON)) |
      by.codec |
      (by.deleteHorizon ? ATTRIBUTE_DELETE_HORIZON : 0),
  );
  setInt64(view, OFFSET_BASE_TIMESTAMP, by.baseTimestamp);
  setInt64(view, OFFSET_MAX_TIMESTAMP, by.maxTimestamp);
  view.setInt32(OFFSET_COUNT, by.count);
  view.setUint32(OFFSET_CRC, crc32c(out, OFFSET_ATTRIBUTES, out.length));
  return out;
}

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** One record of a batch; its bytes are views. */
export interface LogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** Bound of one batch when it is opened: what a small message may grow to (decompression bombs). */
export const MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024;

/** What lies behind a batch's header. */
export function batchBody(bytes: Uint8Array, batch: BatchHeader): Uint8Array {
  return bytes.subarray(batch.position + BATCH_HEADER_BYTES, batch.position + batch.size);
}

/** The records of one batch as bytes, decompressed if need be. Throws MalformedError. */
export function openBatch(
  bytes: Uint8Array,
  batch: BatchHeader,
  maxBytes = MAX_DECOMPRESSED_BYTES,
): Uint8Array {
  const body = batchBody(bytes, batch);
  return batch.codec === 0 ? body : decompress(batch.codec, body, maxBytes);
}

/** The records of one batch, decompressed if need be. Throws MalformedError. */
export function readRecords(
  bytes: Uint8Array,
  batch: BatchHeader,
  maxBytes = MAX_DECOMPRESSED_BYTES,
): LogRecord[] {
  const body = openBatch(bytes, batch, maxBytes);
  const reader = new Reader(body);
  const records: LogRecord[] = [];
  if (batch.count < 0 || batch.count > body.length) throw new MalformedError("record count");
  for (let i = 0; i < batch.count; i++) {
    const length = reader.varint();
    const end = reader.position + length;
    if (length < 0 || end > body.length) throw new MalformedError("record cut short");
    reader.int8();
    const timestampDelta = reader.varlong();
    const offsetDelta = reader.varint();
    const key = nullableBytes(reader);
    const value = nullableBytes(reader);
    const count = reader.varint();
    if (count < 0 || count > reader.remaining) throw new MalformedError("record header count");
    const headers: RecordHeader[] = [];
    for (let h = 0; h < count; h++) {
      const name = reader.utf8(reader.varint());
      headers.push({ key: name, value: nullableBytes(reader) });
    }
    if (reader.position !== end) throw new MalformedError("record of another length");
    records.push({
      offset: batch.baseOffset + offsetDelta,
      timestamp: batch.logAppendTime ? batch.maxTimestamp : batch.baseTimestamp + timestampDelta,
      key,
      value,
      headers,
    });
  }
  if (reader.remaining > 0) throw new MalformedError("bytes after the last record");
  return records;
}

function nullableBytes(reader: Reader): Uint8Array | null {
  const length = reader.varint();
  return length < 0 ? null : reader.view(length);
}

/** A record to be written. */
export interface NewRecord {
  readonly key?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  readonly timestamp: number;
  /** Distance from the base offset; by default the place in the list. */
  readonly offsetDelta?: number;
}

export interface NewBatch {
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly compression?: CompressionCodec;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly records: readonly NewRecord[];
}

/** A whole batch of at least one record. */
export function buildBatch(batch: NewBatch): Uint8Array {
  const baseTimestamp = batch.records[0]?.timestamp ?? NO_TIMESTAMP;
  const body = new Writer(1024);
  let lastOffsetDelta = -1;
  let maxTimestamp = baseTimestamp;
  for (const [index, record] of batch.records.entries()) {
    const one = new Writer(256);
    const offsetDelta = record.offsetDelta ?? index;
    one.int8(0);
    one.varlong(record.timestamp - baseTimestamp);
    one.varint(offsetDelta);
    writeNullable(one, record.key ?? null);
    writeNullable(one, record.value ?? null);
    const headers = record.headers ?? [];
    one.varint(headers.length);
    for (const { key, value } of headers) {
      const name = Writer.utf8(key);
      one.varint(name.length);
      one.text(name);
      writeNullable(one, value);
    }
    body.varint(one.length);
    for (const part of one.parts()) body.raw(part);
    lastOffsetDelta = Math.max(lastOffsetDelta, offsetDelta);
    maxTimestamp = Math.max(maxTimestamp, record.timestamp);
  }
  const codec = batch.compression ?? 0;
  let records = concatBytes(body.parts());
  if (codec !== 0) records = compress(codec, records);
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + records.length);
  bytes.set(records, BATCH_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  setInt64(view, 0, batch.baseOffset ?? 0);
  view.setInt32(OFFSET_LENGTH, bytes.length - LOG_OVERHEAD_BYTES);
  view.setInt32(OFFSET_LEADER_EPOCH, batch.leaderEpoch ?? -1);
  view.setInt8(OFFSET_MAGIC, MAGIC);
  view.setInt16(
    OFFSET_ATTRIBUTES,
    codec |
      (batch.transactional === true ? ATTRIBUTE_TRANSACTIONAL : 0) |
      (batch.control === true ? ATTRIBUTE_CONTROL : 0),
  );
  view.setInt32(OFFSET_LAST_OFFSET_DELTA, lastOffsetDelta);
  setInt64(view, OFFSET_BASE_TIMESTAMP, baseTimestamp);
  setInt64(view, OFFSET_MAX_TIMESTAMP, maxTimestamp);
  setInt64(view, OFFSET_PRODUCER_ID, batch.producerId ?? NO_PRODUCER_ID);
  view.setInt16(OFFSET_PRODUCER_EPOCH, batch.producerEpoch ?? -1);
  view.setInt32(OFFSET_BASE_SEQUENCE, batch.baseSequence ?? -1);
  view.setInt32(OFFSET_COUNT, batch.records.length);
  view.setUint32(OFFSET_CRC, crc32c(bytes, OFFSET_ATTRIBUTES, bytes.length));
  return bytes;
}

function writeNullable(writer: Writer, bytes: Uint8Array | null): void {
  if (bytes === null) {
    writer.varint(-1);
    return;
  }
  writer.varint(bytes.length);
  writer.raw(bytes);
}
