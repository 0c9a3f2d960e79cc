import type { BatchHeader } from "../protocol/record-batch.ts";
import type { ProducerState } from "./producer-state.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Offset, PartitionLog } from "./types.ts";

/** The sequence state of a log's producers: as far as it is known, and how much came since it was last put aside. */
export class LogProducers {
  state: ProducerState;
  readonly #segments: SegmentList;
  /** It is being read back after a truncation, or damage hides it. */
  #unknown = false;
  #bytesSinceSnapshot = 0;

  constructor(state: ProducerState, segments: SegmentList) {
    this.state = state;
    this.#segments = segments;
  }

  get unknown(): boolean {
    return this.#unknown;
  }

  /** Something came that no snapshot has. */
  get grown(): boolean {
    return this.#bytesSinceSnapshot > 0;
  }

  active(): ReturnType<PartitionLog["activeProducers"]> {
    return [...this.state.entries()].map((entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.currentTxnFirstOffset,
    }));
  }

  appended(batch: BatchHeader): void {
    this.state.update(batch);
    this.#bytesSinceSnapshot += batch.size;
  }

  /** The log was cut there: what is known may be of batches that are gone. */
  cut(offset: Offset): void {
    if (this.state.reaches(offset)) this.#unknown = true;
  }

  /** Damage hides what is to be read. */
  lost(): void {
    this.#unknown = true;
  }

  /** The log begins anew. */
  clear(): void {
    this.state.clear();
    this.#unknown = false;
  }

  /** Reads the state back from the last snapshot and the batches after it. */
  async readBack(upTo: Offset): Promise<void> {
    const { producers, bytes } = await this.#segments.readProducers(upTo);
    this.state = producers;
    this.#bytesSinceSnapshot = bytes;
    this.#unknown = false;
  }

  /**
   * What a snapshot is to have, if one is due after every `every` bytes; the bytes count anew then. One of no producers is
   * due too: without it a recovery would have to look for them in all of the log.
   */
  takeSnapshot(every: number): ProducerState | undefined {
    if (!this.grown || this.#bytesSinceSnapshot < every || this.#unknown) return undefined;
    this.#bytesSinceSnapshot = 0;
    return this.state;
  }
}
