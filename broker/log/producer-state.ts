import { crc32c } from "../../lib/crc32c.ts";
import type { EpochMillis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { BatchHeader } from "../protocol/record-batch.ts";
import type { Offset } from "./types.ts";

/** A producer's recent batches, for recognising repeats (KIP-98). */
interface ProducedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
}

export interface ProducerEntry {
  readonly producerId: number;
  producerEpoch: number;
  /** At most five, oldest first: as many as a client may have in flight. */
  batches: ProducedBatch[];
  lastTimestamp: EpochMillis;
  coordinatorEpoch: number;
  /** First offset of its open transaction, -1 if there is none. */
  currentTxnFirstOffset: Offset;
}

const BATCHES_KEPT = 5;
const MAX_SEQUENCE = 2 ** 31 - 1;
const SNAPSHOT_VERSION = 1;
const SNAPSHOT_HEADER_BYTES = 2 + 4 + 4;
const SNAPSHOT_ENTRY_BYTES = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;
const EARLIER_BATCH_BYTES = 4 + 8 + 4;

function lastSequenceOf(batch: BatchHeader): number {
  return (batch.baseSequence + batch.lastOffsetDelta) % (MAX_SEQUENCE + 1);
}

/** The producers of one partition: sequences, repeats and fencing (KIP-98, KIP-360). (core) */
export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>();

  get size(): number {
    return this.#producers.size;
  }

  entries(): Iterable<ProducerEntry> {
    return this.#producers.values();
  }

  /**
   * Checks a batch that a client wants to append. @returns the offsets of the batch that it repeats, if it does. Throws
   * INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER.
   */
  check(
    batch: BatchHeader,
  ): { readonly baseOffset: Offset; readonly lastOffset: Offset } | undefined {
    const entry = this.#producers.get(batch.producerId);
    // Nothing is known of the producer: its state may have expired, so any sequence begins it (KIP-360).
    if (entry === undefined) return undefined;
    if (batch.producerEpoch < entry.producerEpoch) {
      throw new ProtocolError(ErrorCode.INVALID_PRODUCER_EPOCH);
    }
    if (batch.producerEpoch > entry.producerEpoch) {
      if (batch.baseSequence !== 0) throw new ProtocolError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
      return undefined;
    }
    const lastSequence = lastSequenceOf(batch);
    for (const known of entry.batches) {
      if (known.firstSequence === batch.baseSequence && known.lastSequence === lastSequence)
        return known;
    }
    const last = entry.batches.at(-1);
    if (last === undefined) {
      // Only a control batch was seen in this epoch.
      if (batch.baseSequence !== 0) throw new ProtocolError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
      return undefined;
    }
    const expected = last.lastSequence === MAX_SEQUENCE ? 0 : last.lastSequence + 1;
    if (batch.baseSequence !== expected) {
      throw new ProtocolError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    return undefined;
  }

  /** Takes in a batch that is in the log. */
  update(batch: BatchHeader): void {
    if (batch.producerId < 0) return;
    let entry = this.#producers.get(batch.producerId);
    if (entry === undefined) {
      entry = {
        producerId: batch.producerId,
        producerEpoch: batch.producerEpoch,
        batches: [],
        lastTimestamp: -1,
        coordinatorEpoch: -1,
        currentTxnFirstOffset: -1,
      };
      this.#producers.set(batch.producerId, entry);
    }
    if (batch.producerEpoch !== entry.producerEpoch) {
      entry.producerEpoch = batch.producerEpoch;
      entry.batches = [];
    }
    entry.lastTimestamp = Math.max(entry.lastTimestamp, batch.maxTimestamp);
    if (batch.control) {
      entry.currentTxnFirstOffset = -1;
      return;
    }
    if (batch.transactional && entry.currentTxnFirstOffset < 0) {
      entry.currentTxnFirstOffset = batch.baseOffset;
    }
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: lastSequenceOf(batch),
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
    });
    if (entry.batches.length > BATCHES_KEPT) entry.batches.shift();
  }

  /**
   * Whether the state goes back to this batch of the log: a producer's recent batches say which sequences are repeats, and
   * if it has none in its epoch, a transaction's marker is what says the epoch.
   */
  remembers(batch: BatchHeader): boolean {
    const entry = this.#producers.get(batch.producerId);
    if (entry === undefined) return false;
    if (batch.control) {
      return entry.batches.length === 0 && entry.producerEpoch === batch.producerEpoch;
    }
    return entry.batches.some((one) => one.lastOffset === batch.lastOffset);
  }

  /** Forgets producers that have written nothing since `before`. */
  expire(before: EpochMillis): void {
    for (const [id, entry] of this.#producers) {
      if (entry.lastTimestamp < before && entry.currentTxnFirstOffset < 0)
        this.#producers.delete(id);
    }
  }

  /** First offset of the oldest open transaction, or undefined. */
  firstOpenTransaction(): Offset | undefined {
    let first: Offset | undefined;
    for (const { currentTxnFirstOffset: offset } of this.#producers.values()) {
      if (offset >= 0 && (first === undefined || offset < first)) first = offset;
    }
    return first;
  }

  /** Whether anything of it lies at or after `offset`. */
  reaches(offset: Offset): boolean {
    for (const entry of this.#producers.values()) {
      if ((entry.batches.at(-1)?.lastOffset ?? -1) >= offset) return true;
    }
    return false;
  }

  clear(): void {
    this.#producers.clear();
  }

  /**
   * Kafka's producer snapshot file: version, checksum, then an entry a producer with its last batch. Behind them, where
   * Kafka does not look, come the producers' earlier batches, so that repeats of those are known after a restart too.
   */
  encode(): Uint8Array {
    let earlier = 0;
    for (const { batches } of this.#producers.values()) earlier += Math.max(0, batches.length - 1);
    const entries = this.#producers.size * (SNAPSHOT_ENTRY_BYTES + 1);
    const bytes = new Uint8Array(SNAPSHOT_HEADER_BYTES + entries + earlier * EARLIER_BATCH_BYTES);
    const view = new DataView(bytes.buffer);
    view.setInt16(0, SNAPSHOT_VERSION);
    view.setInt32(6, this.#producers.size);
    let at = SNAPSHOT_HEADER_BYTES;
    const int32 = (value: number): void => {
      view.setInt32(at, value);
      at += 4;
    };
    const int64 = (value: number): void => {
      view.setBigInt64(at, BigInt(value));
      at += 8;
    };
    const batch = (one: ProducedBatch | undefined): void => {
      int32(one?.lastSequence ?? -1);
      int64(one?.lastOffset ?? -1);
      int32(one === undefined ? 0 : one.lastOffset - one.baseOffset);
    };
    for (const entry of this.#producers.values()) {
      int64(entry.producerId);
      view.setInt16(at, entry.producerEpoch);
      at += 2;
      batch(entry.batches.at(-1));
      int64(entry.lastTimestamp);
      int32(entry.coordinatorEpoch);
      int64(entry.currentTxnFirstOffset);
    }
    for (const { batches } of this.#producers.values()) {
      view.setInt8(at++, Math.max(0, batches.length - 1));
      for (const one of batches.slice(0, -1)) batch(one);
    }
    view.setUint32(2, crc32c(bytes, 6));
    return bytes;
  }

  /** The state of a snapshot, Kafka's own as well, or undefined when it is torn. */
  static decode(bytes: Uint8Array): ProducerState | undefined {
    if (bytes.length < SNAPSHOT_HEADER_BYTES) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = view.getInt32(6);
    if (view.getInt16(0) !== SNAPSHOT_VERSION || view.getUint32(2) !== crc32c(bytes, 6))
      return undefined;
    const state = new ProducerState();
    const batch = (at: number): ProducedBatch[] => {
      const lastSequence = view.getInt32(at);
      const lastOffset = Number(view.getBigInt64(at + 4));
      const offsetDelta = view.getInt32(at + 12);
      if (lastOffset < 0) return [];
      const first = lastSequence - offsetDelta;
      const firstSequence = first < 0 ? first + MAX_SEQUENCE + 1 : first;
      return [{ firstSequence, lastSequence, baseOffset: lastOffset - offsetDelta, lastOffset }];
    };
    let at = SNAPSHOT_HEADER_BYTES;
    for (let i = 0; i < count; i++, at += SNAPSHOT_ENTRY_BYTES) {
      const producerId = Number(view.getBigInt64(at));
      state.#producers.set(producerId, {
        producerId,
        producerEpoch: view.getInt16(at + 8),
        batches: batch(at + 10),
        lastTimestamp: Number(view.getBigInt64(at + 26)),
        coordinatorEpoch: view.getInt32(at + 34),
        currentTxnFirstOffset: Number(view.getBigInt64(at + 38)),
      });
    }
    if (at === bytes.length) return state;
    for (const entry of state.#producers.values()) {
      const earlier: ProducedBatch[] = [];
      for (let left = view.getInt8(at++); left > 0; left--, at += EARLIER_BATCH_BYTES) {
        earlier.push(...batch(at));
      }
      entry.batches = [...earlier, ...entry.batches];
    }
    return state;
  }
}
