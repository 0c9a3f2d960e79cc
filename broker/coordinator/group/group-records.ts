import { concatBytes } from "../../../lib/bytes.ts";
import type {
  CommittedOffset,
  GroupMetadata,
  GroupRecord,
  RecordedMember,
} from "./group-metadata.ts";

/**
 * Keys and values of `__consumer_offsets` in Kafka's own format, so that Kafka's tools read it: OffsetCommitKey 1,
 * GroupMetadataKey 2, OffsetCommitValue 1, 3 and 4, GroupMetadataValue 3. Reads value versions 0 to 4 of both.
 * Other keys (of consumer, share and streams groups, 3 and above) are not ours and are left unread.
 */
const OFFSET_KEY = 1;
const GROUP_KEY = 2;
const GROUP_VALUE = 3;

export function encodeKey(record: GroupRecord): Uint8Array {
  const out = new Output();
  if (record.kind === "group") return out.int16(GROUP_KEY).string(record.groupId).bytes();
  return out
    .int16(OFFSET_KEY)
    .string(record.groupId)
    .string(record.topic)
    .int32(record.partition)
    .bytes();
}

export function encodeValue(record: GroupRecord): Uint8Array | null {
  if (record.value === null) return null;
  return record.kind === "group" ? encodeGroup(record.value) : encodeOffset(record.value);
}

/** The record, or undefined for a key that is not of a classic group. Throws RangeError on bytes that end too soon. */
export function decodeRecord(key: Uint8Array, value: Uint8Array | null): GroupRecord | undefined {
  const input = new Input(key);
  const version = input.int16();
  if (version === 0 || version === OFFSET_KEY) {
    const groupId = input.string();
    const topic = input.string();
    const partition = input.int32();
    return {
      kind: "offset",
      groupId,
      topic,
      partition,
      value: value === null ? null : decodeOffset(value),
    };
  }
  if (version !== GROUP_KEY) return undefined;
  return {
    kind: "group",
    groupId: input.string(),
    value: value === null ? null : decodeGroup(value),
  };
}

function encodeOffset(value: CommittedOffset): Uint8Array {
  const out = new Output();
  // Only version 1 has a place for the expiry that OffsetCommit 2 to 4 may ask for.
  if (value.expireTimestamp >= 0) {
    out.int16(1).int64(value.offset).string(value.metadata);
    return out.int64(value.commitTimestamp).int64(value.expireTimestamp).bytes();
  }
  if (value.topicId === undefined) {
    out.int16(3).int64(value.offset).int32(value.leaderEpoch).string(value.metadata);
    return out.int64(value.commitTimestamp).bytes();
  }
  out.int16(4).int64(value.offset).int32(value.leaderEpoch).compactString(value.metadata);
  // One tagged field: tag 0, the topic id, 16 bytes.
  return out
    .int64(value.commitTimestamp)
    .varint(1)
    .varint(0)
    .varint(16)
    .uuid(value.topicId)
    .bytes();
}

function decodeOffset(bytes: Uint8Array): CommittedOffset {
  const input = new Input(bytes);
  const version = input.int16();
  const offset = input.int64();
  const leaderEpoch = version >= 3 ? input.int32() : -1;
  const metadata = version >= 4 ? input.compactString() : input.string();
  const commitTimestamp = input.int64();
  const expireTimestamp = version === 1 ? input.int64() : -1;
  let topicId: string | undefined;
  if (version >= 4) {
    for (let left = input.varint(); left > 0; left--) {
      const tag = input.varint();
      const size = input.varint();
      if (tag === 0 && size === 16) topicId = input.uuid();
      else input.skip(size);
    }
  }
  return { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId };
}

function encodeGroup(value: GroupMetadata): Uint8Array {
  const out = new Output().int16(GROUP_VALUE);
  out.string(value.protocolType).int32(value.generation);
  out.nullableString(value.protocol).nullableString(value.leader);
  out.int64(value.currentStateTimestamp).int32(value.members.length);
  for (const member of value.members) {
    out.string(member.memberId).nullableString(member.groupInstanceId);
    out.string(member.clientId).string(member.clientHost);
    out.int32(member.rebalanceTimeoutMs).int32(member.sessionTimeoutMs);
    out.blob(member.subscription).blob(member.assignment);
  }
  return out.bytes();
}

function decodeGroup(bytes: Uint8Array): GroupMetadata {
  const input = new Input(bytes);
  const version = input.int16();
  const compact = version >= 4;
  const string = (): string => (compact ? input.compactString() : input.string());
  const nullable = (): string | null =>
    compact ? input.nullableCompactString() : input.nullableString();
  const blob = (): Uint8Array =>
    compact ? input.raw(input.varint() - 1) : input.raw(input.int32());
  const protocolType = string();
  const generation = input.int32();
  const protocol = nullable();
  const leader = nullable();
  const currentStateTimestamp = version >= 2 ? input.int64() : -1;
  const count = compact ? input.varint() - 1 : input.int32();
  const members: RecordedMember[] = [];
  for (let i = 0; i < count; i++) {
    const memberId = string();
    const groupInstanceId = version >= 3 ? nullable() : null;
    const clientId = string();
    const clientHost = string();
    const rebalance = version >= 1 ? input.int32() : undefined;
    const sessionTimeoutMs = input.int32();
    const subscription = blob();
    const assignment = blob();
    if (compact) input.skipTags();
    members.push({
      memberId,
      groupInstanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs: rebalance ?? sessionTimeoutMs,
      sessionTimeoutMs,
      subscription,
      assignment,
    });
  }
  return { protocolType, generation, protocol, leader, currentStateTimestamp, members };
}

class Output {
  readonly #parts: Uint8Array[] = [];

  bytes(): Uint8Array {
    return concatBytes(this.#parts);
  }
  int16(value: number): this {
    return this.#number(2, (view) => {
      view.setInt16(0, value);
    });
  }
  int32(value: number): this {
    return this.#number(4, (view) => {
      view.setInt32(0, value);
    });
  }
  int64(value: number): this {
    return this.#number(8, (view) => {
      view.setBigInt64(0, BigInt(value));
    });
  }
  varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest = rest >>> 7) bytes.push((rest & 0x7f) | 0x80);
    bytes.push(rest);
    return this.#push(Uint8Array.from(bytes));
  }
  string(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.int16(bytes.length).#push(bytes);
  }
  nullableString(value: string | null): this {
    return value === null ? this.int16(-1) : this.string(value);
  }
  compactString(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.varint(bytes.length + 1).#push(bytes);
  }
  blob(value: Uint8Array): this {
    return this.int32(value.length).#push(value);
  }
  uuid(value: string): this {
    const hex = value.replaceAll("-", "");
    return this.#push(
      Uint8Array.from({ length: 16 }, (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16)),
    );
  }
  #number(size: number, set: (view: DataView) => void): this {
    const bytes = new Uint8Array(size);
    set(new DataView(bytes.buffer));
    return this.#push(bytes);
  }
  #push(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }
}

class Input {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  int16(): number {
    return this.#view.getInt16(this.#advance(2));
  }
  int32(): number {
    return this.#view.getInt32(this.#advance(4));
  }
  int64(): number {
    return Number(this.#view.getBigInt64(this.#advance(8)));
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#advance(1));
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a varint of more than 5 bytes");
  }
  /** A copy: records outlive the buffer they were read into. */
  raw(length: number): Uint8Array {
    const at = this.#advance(Math.max(0, length));
    // Not slice, which copies nothing when the bytes are a Buffer.
    return new Uint8Array(this.#bytes.subarray(at, this.#at));
  }
  string(): string {
    return new TextDecoder().decode(this.raw(this.int16()));
  }
  nullableString(): string | null {
    const length = this.int16();
    return length < 0 ? null : new TextDecoder().decode(this.raw(length));
  }
  compactString(): string {
    return this.nullableCompactString() ?? "";
  }
  nullableCompactString(): string | null {
    const length = this.varint();
    return length === 0 ? null : new TextDecoder().decode(this.raw(length - 1));
  }
  uuid(): string {
    const hex = [...this.raw(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
  skip(length: number): void {
    this.#advance(length);
  }
  skipTags(): void {
    for (let left = this.varint(); left > 0; left--) {
      this.varint();
      this.skip(this.varint());
    }
  }
  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new RangeError("a record ends too soon");
    this.#at = at + length;
    return at;
  }
}
