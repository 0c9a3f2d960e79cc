import {
  batchHeaderAt,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  MAGIC,
} from "../protocol/record-batch.ts";
import { IndexFile } from "./index-file.ts";
import { SparseIndex } from "./sparse-index.ts";
import type { Storage } from "./storage.ts";
import type { Offset } from "./types.ts";

/** offset index: relative offset, position; time index: timestamp, relative offset (Kafka's file formats). */
const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

/** A timestamp and the offset of the batch that has it; both -1 when there is none. */
export interface TimedOffset {
  readonly timestamp: number;
  readonly offset: Offset;
}

/** The records that the indexes are of. */
export interface IndexedRecords {
  /** Bytes in the records file. */
  readonly written: number;
  /** The base offset of the segment behind, once nothing more comes. */
  readonly sealedAt: Offset | undefined;
}

/**
 * The two sparse indexes of a segment, in Kafka's file formats. The offset index is in memory too: of a segment that was
 * found, from when it is first needed.
 */
export class SegmentIndexes {
  readonly #baseOffset: Offset;
  readonly #offsetFile: IndexFile;
  readonly #timeFile: IndexFile;
  #offsets: SparseIndex | undefined;
  #loading: Promise<SparseIndex> | undefined;
  /** Largest timestamp that the time index has. */
  #lastTimestamp = -1;
  #bytesSinceEntry = 0;
  /** Behind the last batch that the offset index of a closed segment had when it was loaded, if the records end before it. */
  #endOfMissing: Offset | undefined;

  /** @param path of the segment's files without their extension */
  constructor(storage: Storage, path: string, baseOffset: Offset, empty: boolean) {
    this.#baseOffset = baseOffset;
    this.#offsetFile = new IndexFile(storage, `${path}.index`, OFFSET_ENTRY_BYTES);
    this.#timeFile = new IndexFile(storage, `${path}.timeindex`, TIME_ENTRY_BYTES);
    if (empty) this.#offsets = new SparseIndex();
  }

  /** Size of the larger of the files, when it is written out. */
  get bytes(): number {
    return Math.max(this.#offsetFile.bytes, this.#timeFile.bytes);
  }

  get endOfMissing(): Offset | undefined {
    return this.#endOfMissing;
  }

  /** Of a batch at the end of the segment; `largest` with that batch. */
  appended(
    { lastOffset, size }: BatchHeader,
    position: number,
    largest: TimedOffset,
    indexIntervalBytes: number,
  ): void {
    if (this.#bytesSinceEntry > indexIntervalBytes) {
      this.#pushOffset(lastOffset, position);
      this.#pushTime(largest);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += size;
  }

  /** Both end with the end of the segment: its largest timestamp and its last batch. */
  seal(
    largest: TimedOffset,
    last: { readonly offset: Offset; readonly position: number } | undefined,
  ): void {
    this.#pushTime(largest);
    const { lastPosition } = this.#offsets ?? { lastPosition: Infinity };
    if (last !== undefined && last.position > lastPosition)
      this.#pushOffset(last.offset, last.position);
  }

  #pushOffset(lastOffset: Offset, position: number): void {
    this.#offsets?.push(lastOffset, position);
    this.#offsetFile.push((view, at) => {
      view.setInt32(at, lastOffset - this.#baseOffset);
      view.setInt32(at + 4, position);
    });
  }

  #pushTime({ timestamp, offset }: TimedOffset): void {
    if (timestamp <= this.#lastTimestamp) return;
    this.#lastTimestamp = timestamp;
    this.#timeFile.push((view, at) => {
      view.setBigInt64(at, BigInt(timestamp));
      view.setInt32(at + 8, offset - this.#baseOffset);
    });
  }

  /**
   * Writes out what is new.
   * @param all also of an index that has little
   */
  async writeOut(all: boolean, sealed: boolean): Promise<void> {
    await this.#offsetFile.writeOut(all, sealed);
    await this.#timeFile.writeOut(all, sealed);
  }

  /** Removes the files and begins anew. */
  async clear(): Promise<void> {
    await this.#offsetFile.clear();
    await this.#timeFile.clear();
    this.#offsets = new SparseIndex();
    this.#lastTimestamp = -1;
    this.#bytesSinceEntry = 0;
    this.#endOfMissing = undefined;
  }

  /** What is in memory is not believed any more: it is loaded when it is next needed. */
  unload(): void {
    this.#offsets = undefined;
  }

  /** Nothing is missing any more of what the index had: the segment is not a closed one from here on. */
  forgetMissing(): void {
    this.#endOfMissing = undefined;
  }

  /** The offset index. */
  async offsets(records: IndexedRecords): Promise<SparseIndex> {
    if (this.#offsets !== undefined) return this.#offsets;
    this.#loading ??= this.#load(records).finally(() => {
      this.#loading = undefined;
    });
    const loaded = await this.#loading;
    return (this.#offsets ??= loaded);
  }

  async #load({ written, sealedAt }: IndexedRecords): Promise<SparseIndex> {
    const bytes = await this.#offsetFile.read();
    const index = new SparseIndex();
    if (bytes === undefined) return index;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const last = bytes.length - (bytes.length % OFFSET_ENTRY_BYTES) - OFFSET_ENTRY_BYTES;
    if (last >= 0 && sealedAt !== undefined) {
      const until = this.#baseOffset + view.getInt32(last) + 1;
      // An index that reaches behind the segment is not of these records: a crash has left one of a file that compaction had
      // put in the place of several. What it says of places in this one is not believed, and none of it is missing.
      if (until > sealedAt) return index;
      if (view.getInt32(last + 4) >= written) this.#endOfMissing ??= until;
    }
    for (let at = 0; at + OFFSET_ENTRY_BYTES <= bytes.length; at += OFFSET_ENTRY_BYTES) {
      const position = view.getInt32(at + 4);
      // A torn index is worth less than none: what does not grow is not believed.
      if (position <= index.lastPosition || position >= written) break;
      index.push(this.#baseOffset + view.getInt32(at), position);
    }
    return index;
  }

  /**
   * Takes over the files as found. Of their content it reads the end only.
   * @returns the largest timestamp of the segment; undefined when the files are not whole
   */
  async adopt(): Promise<TimedOffset | undefined> {
    const offsets = await this.#offsetFile.ending(0);
    const times = await this.#timeFile.ending(TIME_ENTRY_BYTES);
    if (offsets === undefined || offsets.size % OFFSET_ENTRY_BYTES !== 0) return undefined;
    if (times === undefined || times.size === 0 || times.size % TIME_ENTRY_BYTES !== 0) {
      return undefined;
    }
    const last = this.#timeAt(Buffer.from(times.bytes), 0);
    // Zeros: the file's length survived a crash and its content did not.
    if (last.timestamp <= 0) return undefined;
    this.#offsetFile.found(offsets.size);
    this.#timeFile.found(times.size);
    this.#lastTimestamp = last.timestamp;
    return last;
  }

  /**
   * Takes over the files of a segment that goes on, which were not synced and may have holes or go on behind the records:
   * the offset index is cut there. `recoverTimes` is to follow.
   * @returns the offset index, and what the time index has; undefined when one of them lacks what it should have
   */
  async recoverOffsets(
    records: IndexedRecords,
    indexIntervalBytes: number,
  ): Promise<{ readonly offsets: SparseIndex; readonly times: Buffer } | undefined> {
    const offsets = await this.#load(records);
    const times = Buffer.from((await this.#timeFile.read()) ?? []);
    const lacking = offsets.count === 0 ? records.written > indexIntervalBytes : times.length === 0;
    if (lacking) return undefined;
    this.#offsets = offsets;
    await this.#offsetFile.cut(offsets.count * OFFSET_ENTRY_BYTES);
    const { lastPosition } = offsets;
    this.#bytesSinceEntry = records.written - Math.max(0, lastPosition);
    return { offsets, times };
  }

  /**
   * Believes the time index as far as it grows and speaks of records up to `lastOffset`, and cuts it there.
   * @returns its largest timestamp
   */
  async recoverTimes(times: Buffer, lastOffset: Offset): Promise<TimedOffset> {
    let largest: TimedOffset = { timestamp: -1, offset: this.#baseOffset - 1 };
    let at = 0;
    for (; at + TIME_ENTRY_BYTES <= times.length; at += TIME_ENTRY_BYTES) {
      const entry = this.#timeAt(times, at);
      if (entry.timestamp <= largest.timestamp || entry.offset <= largest.offset) break;
      if (entry.offset > lastOffset) break;
      largest = entry;
    }
    this.#lastTimestamp = largest.timestamp;
    await this.#timeFile.cut(at);
    return largest;
  }

  #timeAt(times: Buffer, at: number): TimedOffset {
    return {
      timestamp: Number(times.readBigInt64BE(at)),
      offset: this.#baseOffset + times.readInt32BE(at + 8),
    };
  }
}

/** Whether a batch is the one that an entry of the index tells of. Either may be damaged: then both are passed over. */
export function isOfIndex(bytes: Uint8Array, entry: { readonly lastOffset: Offset }): boolean {
  if (bytes.length < BATCH_HEADER_BYTES) return false;
  const { magic, lastOffset } = batchHeaderAt(bytes, 0, BATCH_HEADER_BYTES);
  // From within a batch that is mostly zeros an offset may come out right.
  return magic === MAGIC && lastOffset === entry.lastOffset;
}
