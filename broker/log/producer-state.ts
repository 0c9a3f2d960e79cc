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
  readonly timestamp: EpochMillis;
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
const SNAPSHOT_ENTRY_BYTES = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

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
      timestamp: batch.maxTimestamp,
    });
    if (entry.batches.length > BATCHES_KEPT) entry.batches.shift();
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

  /** Kafka's producer snapshot file: version, checksum, then an entry a producer with its last batch. */
  encode(): Uint8Array {
    const bytes = new Uint8Array(2 + 4 + 4 + this.#producers.size * SNAPSHOT_ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    view.setInt16(0, SNAPSHOT_VERSION);
    view.setInt32(6, this.#producers.size);
    let at = 10;
    const int64 = (value: number): void => {
      view.setBigInt64(at, BigInt(value));
      at += 8;
    };
    for (const entry of this.#producers.values()) {
      const last = entry.batches.at(-1);
      int64(entry.producerId);
      view.setInt16(at, entry.producerEpoch);
      at += 2;
      view.setInt32(at, last?.lastSequence ?? -1);
      at += 4;
      int64(last?.lastOffset ?? -1);
      view.setInt32(at, last === undefined ? 0 : last.lastOffset - last.baseOffset);
      at += 4;
      int64(entry.lastTimestamp);
      view.setInt32(at, entry.coordinatorEpoch);
      at += 4;
      int64(entry.currentTxnFirstOffset);
    }
    view.setUint32(2, crc32c(bytes, 6));
    return bytes;
  }

  /** The state of a snapshot, or undefined when it is torn. */
  static decode(bytes: Uint8Array): ProducerState | undefined {
    if (bytes.length < 10) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = view.getInt32(6);
    if (view.getInt16(0) !== SNAPSHOT_VERSION || view.getUint32(2) !== crc32c(bytes, 6))
      return undefined;
    if (bytes.length !== 10 + count * SNAPSHOT_ENTRY_BYTES) return undefined;
    const state = new ProducerState();
    for (let i = 0; i < count; i++) {
      const at = 10 + i * SNAPSHOT_ENTRY_BYTES;
      const lastSequence = view.getInt32(at + 10);
      const lastOffset = Number(view.getBigInt64(at + 14));
      const offsetDelta = view.getInt32(at + 22);
      const lastTimestamp = Number(view.getBigInt64(at + 26));
      const producerId = Number(view.getBigInt64(at));
      const firstSequence = lastSequence - offsetDelta;
      state.#producers.set(producerId, {
        producerId,
        producerEpoch: view.getInt16(at + 8),
        batches:
          lastOffset < 0
            ? []
            : [
                {
                  firstSequence:
                    firstSequence < 0 ? firstSequence + MAX_SEQUENCE + 1 : firstSequence,
                  lastSequence,
                  baseOffset: lastOffset - offsetDelta,
                  lastOffset,
                  timestamp: lastTimestamp,
                },
              ],
        lastTimestamp,
        coordinatorEpoch: view.getInt32(at + 34),
        currentTxnFirstOffset: Number(view.getBigInt64(at + 38)),
      });
    }
    return state;
  }
}
