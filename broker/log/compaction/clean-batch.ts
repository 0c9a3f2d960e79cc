import type { EpochMillis, Millis } from "../../../lib/units.ts";
import type { BatchHeader } from "../../protocol/record-batch.ts";
import { RecordCursor } from "../../protocol/record-cursor.ts";
import type { Offset } from "../types.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { AbortedTransactions } from "./transactions.ts";

/** What decides in one pass over a log. */
export interface PassRules {
  readonly map: Pick<OffsetMap, "get">;
  /** The map knows the newest offsets below it. */
  readonly mapEnd: Offset;
  readonly aborted: Pick<AbortedTransactions, "has">;
  readonly now: EpochMillis;
  readonly deleteRetentionMs: Millis;
  /** Whether the producers' state remembers the batch. */
  readonly remembered: (batch: BatchHeader) => boolean;
}

/** What becomes of a batch. `rewrite` has the records that stay, uncompressed, and the new values of header fields. */
export type Verdict =
  | { readonly kind: "keep" }
  | { readonly kind: "drop" }
  | { readonly kind: "empty" }
  | {
      readonly kind: "rewrite";
      readonly body: Uint8Array;
      readonly count: number;
      readonly baseTimestamp: EpochMillis;
      readonly maxTimestamp: EpochMillis;
      readonly deleteHorizon: boolean;
    };

const KEEP: Verdict = { kind: "keep" };
/** Records between two offers to pause. */
const SLICE_RECORDS = 128;
/** Of a record behind its length field: five bytes of length and ten of a timestamp at most. */
const MOST_PREFIX_BYTES = 15;

/** Which transactional producers have a batch left since their last marker; batches are given in order. (core) */
export class RetainedTransactions {
  readonly #producers = new Set<number>();

  kept({ transactional, control, producerId }: BatchHeader): void {
    if (transactional && !control) this.#producers.add(producerId);
  }

  /** At a marker. @returns whether a batch of its transaction is left. */
  ended({ producerId }: BatchHeader): boolean {
    return this.#producers.delete(producerId);
  }
}

/** The time from which a batch's tombstones, or a marker, may go (KIP-534); undefined when it is not set yet. */
function deleteHorizon(batch: BatchHeader): EpochMillis | undefined {
  return batch.deleteHorizon ? batch.baseTimestamp : undefined;
}

/** What can be said without looking at records: undefined when they have to be. */
export function judgeHeader(
  batch: BatchHeader,
  rules: PassRules,
  last: boolean,
): Verdict | undefined {
  if (batch.control) return undefined;
  if (batch.count > 0 && !rules.aborted.has(batch)) {
    return batch.baseOffset >= rules.mapEnd ? KEEP : undefined;
  }
  if (!last && !rules.remembered(batch)) return { kind: "drop" };
  return batch.count === 0 ? KEEP : { kind: "empty" };
}

/**
 * The records of a batch of data, one after the other; yields now and then, so that the caller can let others go on.
 * Throws MalformedError.
 */
export function* judgeRecords(
  batch: BatchHeader,
  body: Uint8Array,
  rules: PassRules,
  last: boolean,
): Generator<undefined, Verdict> {
  const { map, mapEnd, now } = rules;
  const horizon = deleteHorizon(batch);
  const tombstonesStay = horizon === undefined || now < horizon;
  const kept = new KeptRecords();
  let newTombstone = false;
  for (const cursor = new RecordCursor(body, batch.count); cursor.next();) {
    const offset = batch.baseOffset + cursor.offsetDelta;
    if (offset >= mapEnd) kept.add(cursor);
    else if (
      cursor.hasKey &&
      map.get(cursor.key) <= offset &&
      (cursor.hasValue || tombstonesStay)
    ) {
      kept.add(cursor);
      if (!cursor.hasValue && horizon === undefined) newTombstone = true;
    }
    if (cursor.seen % SLICE_RECORDS === 0) yield undefined;
  }
  if (kept.count === 0)
    return last || rules.remembered(batch) ? { kind: "empty" } : { kind: "drop" };
  if (kept.count === batch.count && !newTombstone) return KEEP;
  return yield* rewritten(
    batch,
    body,
    kept,
    newTombstone ? now + rules.deleteRetentionMs : undefined,
  );
}

/** The same for a transaction's marker. @param needed a batch of its transaction is left */
export function* judgeMarker(
  batch: BatchHeader,
  body: Uint8Array,
  rules: PassRules,
  last: boolean,
  needed: boolean,
): Generator<undefined, Verdict> {
  if (needed || batch.count === 0) return batch.count > 0 || last ? KEEP : { kind: "drop" };
  const horizon = deleteHorizon(batch);
  if (horizon === undefined) {
    const kept = new KeptRecords();
    for (const cursor = new RecordCursor(body, batch.count); cursor.next();) kept.add(cursor);
    return yield* rewritten(batch, body, kept, rules.now + rules.deleteRetentionMs);
  }
  const stays = last || rules.now < horizon || rules.remembered(batch);
  return stays ? KEEP : { kind: "drop" };
}

/** Where the records that stay lie in the body. */
class KeptRecords {
  /** Start, where the fields behind the timestamp begin, end, attributes, timestamp delta. */
  readonly places: number[] = [];
  count = 0;
  bytes = 0;
  maxTimestampDelta = -Infinity;

  add({ start, afterTimestamp, end, attributes, timestampDelta }: RecordCursor): void {
    this.places.push(start, afterTimestamp, end, attributes, timestampDelta);
    this.count++;
    this.bytes += end - start;
    this.maxTimestampDelta = Math.max(this.maxTimestampDelta, timestampDelta);
  }
}
const PLACE = 5;

/** @param newHorizon the batch gets a delete horizon, from which its records' timestamps count then */
function* rewritten(
  batch: BatchHeader,
  body: Uint8Array,
  { places, count, bytes, maxTimestampDelta }: KeptRecords,
  newHorizon: EpochMillis | undefined,
): Generator<undefined, Verdict> {
  const baseTimestamp = newHorizon ?? batch.baseTimestamp;
  const shift = batch.baseTimestamp - baseTimestamp;
  const out = new Uint8Array(bytes + (newHorizon === undefined ? 0 : count * MOST_PREFIX_BYTES));
  let at = 0;
  for (let i = 0; i < places.length; i += PLACE) {
    let start = places[i] ?? 0;
    const end = places[i + 2] ?? 0;
    if (newHorizon !== undefined) {
      start = places[i + 1] ?? 0;
      const timestampDelta = (places[i + 4] ?? 0) + shift;
      at = putZigzag(out, at, 1 + zigzagBytes(timestampDelta) + end - start);
      out[at++] = places[i + 3] ?? 0;
      at = putZigzag(out, at, timestampDelta);
    }
    out.set(body.subarray(start, end), at);
    at += end - start;
    if (i % (PLACE * SLICE_RECORDS) === 0) yield undefined;
  }
  return {
    kind: "rewrite",
    body: out.subarray(0, at),
    count,
    baseTimestamp,
    maxTimestamp: batch.logAppendTime
      ? batch.maxTimestamp
      : batch.baseTimestamp + maxTimestampDelta,
    deleteHorizon: newHorizon !== undefined || batch.deleteHorizon,
  };
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function zigzagBytes(value: number): number {
  let bytes = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function putZigzag(out: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out[at++] = (rest % 128) | 0x80;
  out[at++] = rest;
  return at;
}
