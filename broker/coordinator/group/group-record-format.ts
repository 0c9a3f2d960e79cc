import { crc32c } from "@node-rs/crc32";
import { concatBytes } from "../../../lib/bytes.ts";
import type { Moment } from "../outcome.ts";
import type { RecordFormat } from "../coordinator-shard.ts";
import type { GroupRecord } from "./group-metadata.ts";
import { decodeRecord, encodeKey, encodeValue } from "./group-records.ts";

/** Bytes before the records of a batch (record batch v2). */
const HEADER = 61;
const LENGTH_AT = 8;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const COUNT_AT = 57;
const CONTROL = 0x20;
const COMPRESSION = 0x07;

/** Group records as uncompressed record batches v2, one batch for each event; the log gives offsets and leader epoch. */
export const groupRecordFormat: RecordFormat<GroupRecord> = { encode, decode };

function encode(records: readonly GroupRecord[], at: Moment): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(HEADER)];
  records.forEach((record, delta) => {
    const body = encodeBody(encodeKey(record), encodeValue(record), delta);
    parts.push(varint(body.length), body);
  });
  const batch = concatBytes(parts);
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const timestamp = BigInt(Math.floor(at.wall));
  view.setInt32(LENGTH_AT, batch.length - 12);
  view.setInt32(12, -1); // partition leader epoch
  view.setInt8(16, 2); // magic
  view.setInt32(LAST_OFFSET_DELTA_AT, records.length - 1);
  view.setBigInt64(27, timestamp);
  view.setBigInt64(35, timestamp);
  view.setBigInt64(43, -1n); // producer id
  view.setInt16(51, -1); // producer epoch
  view.setInt32(53, -1); // base sequence
  view.setInt32(COUNT_AT, records.length);
  view.setUint32(CRC_AT, crc32c(batch.subarray(ATTRIBUTES_AT)));
  return batch;
}

function encodeBody(key: Uint8Array, value: Uint8Array | null, delta: number): Uint8Array {
  return concatBytes([
    Uint8Array.of(0), // attributes
    varint(0), // timestamp delta
    varint(delta),
    varint(key.length),
    key,
    varint(value?.length ?? -1),
    value ?? new Uint8Array(0),
    varint(0), // headers
  ]);
}

function* decode(
  bytes: Uint8Array,
): Iterable<{ readonly records: readonly GroupRecord[]; readonly nextOffset: number }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const end = at + 12 + view.getInt32(at + LENGTH_AT);
    const attributes = view.getInt16(at + ATTRIBUTES_AT);
    const nextOffset = Number(view.getBigInt64(at)) + view.getInt32(at + LAST_OFFSET_DELTA_AT) + 1;
    const count = view.getInt32(at + COUNT_AT);
    const records: GroupRecord[] = [];
    if ((attributes & CONTROL) === 0) {
      if ((attributes & COMPRESSION) !== 0)
        throw new RangeError("a compressed batch in __consumer_offsets");
      const reader = { bytes, at: at + HEADER };
      for (let i = 0; i < count; i++) {
        const next = readVarint(reader);
        const bodyEnd = reader.at + next;
        reader.at += 1;
        readVarint(reader); // timestamp delta
        readVarint(reader); // offset delta
        const key = readBlob(reader);
        const value = readBlob(reader);
        reader.at = bodyEnd;
        const record = key === null ? undefined : decodeRecord(key, value);
        if (record !== undefined) records.push(record);
      }
    }
    yield { records, nextOffset };
    at = end;
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** A zigzag varint. Of those longer than 5 bytes (a timestamp delta) only the length matters here. */
function readVarint(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) break;
    reader.at += 1;
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
  }
  throw new RangeError("a record ends too soon");
}

function readBlob(reader: { readonly bytes: Uint8Array; at: number }): Uint8Array | null {
  const length = readVarint(reader);
  if (length < 0) return null;
  const from = reader.at;
  reader.at += length;
  return reader.bytes.subarray(from, reader.at);
}
