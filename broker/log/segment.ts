import { batchHeaderAt, BATCH_HEADER_BYTES, type BatchHeader } from "../protocol/record-batch.ts";
import type { Millis } from "../../lib/units.ts";
import { DamagedError } from "./damage.ts";
import { scanHeaders } from "./header-scan.ts";
import { RecordsFile } from "./records-file.ts";
import {
  type IndexedRecords,
  isOfIndex,
  SegmentIndexes,
  type TimedOffset,
} from "./segment-indexes.ts";
import type { Storage } from "./storage.ts";
import type { Offset } from "./types.ts";

/** Kafka's file names: the base offset in twenty digits. */
export function segmentName(baseOffset: Offset): string {
  return String(baseOffset).padStart(20, "0");
}

/**
 * One segment of a log: its records file and its two sparse indexes, in Kafka's formats. What is appended lies in
 * memory first; `size` counts it at once, `written` what is in the file.
 */
export class Segment {
  readonly baseOffset: Offset;
  readonly #storage: Storage;
  /** Of its files, without their extension. */
  readonly #path: string;
  readonly #file: RecordsFile;
  readonly #indexes: SegmentIndexes;
  /** Bytes with what is still in memory only. */
  size: number;
  /** Of the first batch; -1 until `readFirstTimestamp` in a segment that was found. */
  firstTimestamp = -1;
  /** The largest timestamp, and the offset of the batch that has it. */
  #largest: TimedOffset = { timestamp: -1, offset: -1 };
  /** When its first batch was appended, by the wall clock. */
  createdAt: number;
  /** The base offset of the segment behind, once nothing more comes. */
  #sealedAt: Offset | undefined;
  /** The last batch: where it is, and its last offset. */
  #last: { readonly offset: Offset; readonly position: number } | undefined;
  /** A read has found that the file was cut short from outside: before this offset something is missing at its end. */
  #missingUntil: Offset | undefined;

  constructor(
    storage: Storage,
    directory: string,
    baseOffset: Offset,
    size: number,
    createdAt: number,
    suffix = "",
  ) {
    this.#storage = storage;
    this.#path = `${directory}/${segmentName(baseOffset)}`;
    this.baseOffset = baseOffset;
    this.size = size;
    this.createdAt = createdAt;
    this.#file = new RecordsFile(storage, directory, `${this.#path}.log`, size, suffix);
    this.#indexes = new SegmentIndexes(storage, this.#path, baseOffset, size === 0);
  }

  /** Bytes in the file. */
  get written(): number {
    return this.#file.written;
  }

  /** Something was written, or is to be, that no sync has covered. */
  get dirty(): boolean {
    return this.#file.dirty;
  }

  get maxTimestamp(): number {
    return this.#largest.timestamp;
  }

  /** Offset of the batch with the largest timestamp. */
  get maxTimestampOffset(): Offset {
    return this.#largest.offset;
  }

  /** Size of the larger of the indexes, when it is written out. */
  get indexBytes(): number {
    return this.#indexes.bytes;
  }

  get #records(): IndexedRecords {
    return { written: this.written, sealedAt: this.#sealedAt };
  }

  /** Notes a batch at the end of the segment, in memory. */
  appended(batch: BatchHeader, indexIntervalBytes: number): void {
    if (this.size === 0) this.firstTimestamp = batch.baseTimestamp;
    this.noteTimeOf(batch);
    this.#indexes.appended(batch, this.size, this.#largest, indexIntervalBytes);
    this.#last = { offset: batch.lastOffset, position: this.size };
    this.size += batch.size;
  }

  /** A batch at the end of a segment that was found, which its indexes may not have yet. */
  noteFound(batch: BatchHeader): void {
    this.#last = { offset: batch.lastOffset, position: batch.position };
    this.noteTimeOf(batch);
  }

  noteTimeOf(batch: BatchHeader): void {
    // A batch that compaction has emptied has a time and no record of it.
    if (batch.count === 0 || batch.maxTimestamp <= this.maxTimestamp) return;
    this.#largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset };
  }

  /**
   * Nothing more comes: the time index ends with the segment's largest timestamp, as Kafka's does, and the offset index with
   * the last batch, so that a file that is cut short later is known by it.
   * @param endOffset base offset of the segment behind
   */
  seal(endOffset: Offset): void {
    this.#indexes.seal(this.#largest, this.#last);
    this.#sealedAt = endOffset;
    this.#file.dirty = true;
  }

  /** The same of a segment that was found closed. */
  foundSealed(endOffset: Offset): void {
    this.#sealedAt = endOffset;
    // No closed segment is empty: its index says what it was.
    if (this.written === 0) this.#indexes.unload();
  }

  get sealed(): boolean {
    return this.#sealedAt !== undefined;
  }

  /** No record of it is there, or was ever; Infinity as long as that is not known. */
  get endOffset(): Offset {
    return this.#sealedAt ?? (this.#last === undefined ? Infinity : this.#last.offset + 1);
  }

  /**
   * Called when a read has come to the end of the file.
   * @param from where it began: the beginning of a batch
   * @param to where it found no more batches
   * @throws DamagedError when the file was longer once
   */
  async refuseMissing(from: number, to: number): Promise<void> {
    if (!this.sealed) return;
    await this.#indexes.offsets(this.#records);
    const until = this.#missing;
    if (until === undefined && to >= this.written) return;
    let end = this.baseOffset;
    let position = from;
    // What is left of the one batch that it began with does not say what came before.
    for (const begin of [from, 0]) {
      position = await this.scan(begin, (batch) => {
        end = batch.lastOffset + 1;
        return undefined;
      });
      if (end > this.baseOffset) break;
    }
    if (until === undefined ? position >= this.written : end >= until) return;
    const place = { segment: this.baseOffset, position, offset: end };
    const what = "the file is shorter than it was";
    throw new DamagedError(until === undefined ? place : { ...place, until }, what);
  }

  /** As far as it is known; before the first offset when it is not. */
  get #lastOffset(): Offset {
    return this.#last?.offset ?? this.baseOffset - 1;
  }

  /** Behind the last of the records that are missing at the end of the file, as far as that was noticed. */
  get #missing(): Offset | undefined {
    return this.#missingUntil ?? this.#indexes.endOfMissing;
  }

  /** Whether a batch that reaches behind the end of the file is part of what is missing there. */
  misses(lastOffset: Offset): boolean {
    const until = this.#missing ?? this.#sealedAt;
    return until !== undefined && lastOffset < until;
  }

  /** Writes the next bytes of the records file; `now` by the monotonic clock, for what was checked a moment before. */
  write(parts: readonly Uint8Array[], bytes: number, now?: Millis): Promise<void> {
    return this.#file.append(parts, bytes, now);
  }

  /**
   * Syncs the records file and writes out the indexes (which are rebuilt if they are lost).
   * @param all also of an index that has little new
   */
  async sync(all = true): Promise<void> {
    if (this.dirty) await this.syncRecords();
    await this.#indexes.writeOut(all, this.sealed);
  }

  syncRecords(): Promise<void> {
    return this.#file.sync();
  }

  /** Fills `into` from the file; only what is written there. */
  async read(position: number, into: Uint8Array): Promise<number> {
    const { written } = this;
    const filled = await this.#file.read(position, into);
    const end = position + filled;
    // Noticed while the process runs: what its index has is no help, it was all there when that was loaded. Unless a repair
    // has brought some of it since the read began.
    const repaired = written !== this.written;
    if (this.sealed && filled < into.length && end < written && !repaired) {
      this.#missingUntil ??= this.#missing ?? (this.#last?.offset ?? (this.#sealedAt ?? 0) - 1) + 1;
      this.#file.written = end;
      this.size = end;
    }
    return filled;
  }

  /** From which position on the checksums need not be looked at: it was written here after `since`, a short time ago. */
  recentFrom(since: Millis): number {
    return this.#file.recentFrom(since);
  }

  /** Where to begin looking for `offset`: a position at or before its batch, where one begins. */
  async positionFor(offset: Offset): Promise<number> {
    const entry = await this.entryFor(offset);
    if (entry === undefined) return 0;
    const head = new Uint8Array(BATCH_HEADER_BYTES);
    await this.read(entry.position, head);
    return isOfIndex(head, entry) ? entry.position : 0;
  }

  /** The same as the index has it, which may be wrong: `isOfIndex`. */
  async entryFor(
    offset: Offset,
  ): Promise<{ readonly lastOffset: Offset; readonly position: number } | undefined> {
    return (await this.#indexes.offsets(this.#records)).entryAt(offset);
  }

  /** The headers of the batches from `position` to the end of the file: `scanHeaders`. */
  scan(position: number, visit: (batch: BatchHeader) => boolean | undefined): Promise<number> {
    return scanHeaders(this, position, visit);
  }

  async readFirstTimestamp(): Promise<void> {
    if (this.firstTimestamp >= 0) return;
    await this.scan(0, (batch) => {
      this.firstTimestamp = batch.baseTimestamp;
      return false;
    });
  }

  /** Writes a batch over what is in the file, or to its end where that is missing, and syncs it. */
  async repair(position: number, batch: Uint8Array, indexIntervalBytes: number): Promise<void> {
    await this.#file.overwrite(position, batch);
    const end = position + batch.length;
    if (end <= this.written) return;
    this.#file.written = end;
    this.size = end;
    const { lastOffset } = batchHeaderAt(batch, 0, batch.length);
    if (this.misses(lastOffset + 1)) return;
    // What the indexes have behind the cut may be other places than those of the batches brought.
    const endOffset = this.#sealedAt;
    await this.rebuild(indexIntervalBytes);
    if (endOffset === undefined) return;
    this.seal(endOffset);
    await this.#indexes.writeOut(true, this.sealed);
  }

  /**
   * Cuts the file and the indexes at `position`, where a batch began. Of the records only the end is read.
   * @param sync not during recovery, which would cut it at the same place again
   */
  async truncate(position: number, indexIntervalBytes: number, sync = true): Promise<void> {
    await this.#file.truncate(position, sync);
    await this.#indexes.writeOut(true, this.sealed);
    this.#file.written = position;
    this.size = position;
    await this.recoverIndexes(indexIntervalBytes);
    this.#sealedAt = undefined;
    this.#missingUntil = undefined;
    this.#indexes.forgetMissing();
  }

  /** Reads the whole segment and makes its indexes anew. */
  async rebuild(indexIntervalBytes: number): Promise<void> {
    const { written } = this;
    await this.#indexes.clear();
    this.#last = undefined;
    this.#missingUntil = undefined;
    this.#largest = { timestamp: -1, offset: -1 };
    this.size = 0;
    await this.scan(0, (batch) => {
      this.appended(batch, indexIntervalBytes);
      return undefined;
    });
    this.size = written;
    await this.#indexes.writeOut(true, this.sealed);
  }

  /** Takes over the index files as found, if they are whole; else they are made anew. Of their content it reads the end only. */
  async adopt(indexIntervalBytes: number): Promise<void> {
    if (this.size === 0) return;
    const largest = await this.#indexes.adopt();
    if (largest === undefined) await this.rebuild(indexIntervalBytes);
    else this.#largest = largest;
  }

  /**
   * Of the segment that is the active one, after a crash or a cut: its indexes were not synced and may have holes, or go on
   * behind the records. They are cut there, which is synced: what is appended next has other places. The largest timestamp
   * behind is looked for in the records.
   */
  async recoverIndexes(indexIntervalBytes: number): Promise<void> {
    const found = await this.#indexes.recoverOffsets(this.#records, indexIntervalBytes);
    if (found === undefined) {
      await this.rebuild(indexIntervalBytes);
      return;
    }
    const { offsets, times } = found;
    const last = offsets.entryAt(Infinity);
    const from = last?.position ?? 0;
    this.#last = undefined;
    this.#largest = { timestamp: -1, offset: this.baseOffset - 1 };
    let believed = true;
    const end = await this.scan(from, (batch) => {
      if (batch.position === from && last !== undefined) {
        believed = batch.lastOffset === last.lastOffset;
      }
      this.noteFound(batch);
      return believed;
    });
    if (!believed || end !== this.written) {
      await this.rebuild(indexIntervalBytes);
      return;
    }
    const behind = this.#largest;
    this.#largest = await this.#indexes.recoverTimes(times, this.#lastOffset);
    const timed = offsets.floor(this.maxTimestampOffset);
    if (timed < from) {
      await this.scan(timed, (batch) => {
        if (batch.position >= from) return false;
        this.noteTimeOf(batch);
        return undefined;
      });
    }
    if (behind.timestamp > this.maxTimestamp) this.#largest = behind;
  }

  /** A reader begins: the file stays open until it has called `release`, whatever becomes of the segment. */
  hold(): void {
    this.#file.hold();
  }

  release(): void {
    this.#file.release();
  }

  /** Reading needs no names from here on: another segment takes them. */
  async openForGood(): Promise<void> {
    await this.#file.open("create");
    await this.#indexes.offsets(this.#records);
  }

  /** The segment is no longer part of the log; its readers go on. */
  async retire(): Promise<void> {
    const held = await this.#file.retire();
    if (held) await this.#indexes.offsets(this.#records);
  }

  /** Takes the place of the segment that has this base offset, whose indexes go. */
  async install(): Promise<void> {
    await this.#file.rename();
    await this.#removeFiles("index", "timeindex");
    await this.#indexes.writeOut(true, this.sealed);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async remove(): Promise<void> {
    await this.removeRecords();
    await this.#removeFiles("snapshot");
  }

  /** Removes all but a producers' snapshot, which may be of this offset by chance. */
  async removeRecords(): Promise<void> {
    await this.retire();
    await this.#file.remove();
    await this.#removeFiles("index", "timeindex", "txnindex");
  }

  async #removeFiles(...extensions: readonly string[]): Promise<void> {
    for (const extension of extensions) await this.#storage.remove(`${this.#path}.${extension}`);
  }
}
