import {
  batchHeaderAt,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  type BatchHeader,
} from "../protocol/record-batch.ts";
import type { Millis } from "../../lib/units.ts";
import { DamagedError } from "./damage.ts";
import { IndexFile } from "./index-file.ts";
import { RecentWrites } from "./recent-writes.ts";
import { SparseIndex } from "./sparse-index.ts";
import type { Storage, StorageFile } from "./storage.ts";
import type { Offset } from "./types.ts";

/** Up to so much is copied to the page cache on the loop. */
const LOOP_WRITE_BYTES = 128 * 1024;
const SCAN_BYTES = 1024 * 1024;
/** offset index: relative offset, position; time index: timestamp, relative offset (Kafka's file formats). */
const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

/** Whether a batch is the one that an entry of the index tells of. Either may be damaged: then both are passed over. */
export function isOfIndex(bytes: Uint8Array, entry: { readonly lastOffset: Offset }): boolean {
  if (bytes.length < BATCH_HEADER_BYTES) return false;
  return batchHeaderAt(bytes, 0, BATCH_HEADER_BYTES).lastOffset === entry.lastOffset;
}

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
  readonly #directory: string;
  /** Bytes with what is still in memory only. */
  size: number;
  /** Bytes in the file. */
  written: number;
  maxTimestamp = -1;
  /** Of the first batch; -1 until `readFirstTimestamp` in a segment that was found. */
  firstTimestamp = -1;
  /** Offset of the batch with the largest timestamp. */
  maxTimestampOffset: Offset = -1;
  /** When its first batch was appended, by the wall clock. */
  createdAt: number;
  /** Largest timestamp that the time index has. */
  #indexedTimestamp = -1;
  #bytesSinceIndex = 0;
  #index: SparseIndex | undefined;
  readonly #indexFile: IndexFile;
  readonly #timeFile: IndexFile;
  /** The base offset of the segment behind, once nothing more comes. */
  #sealedAt: Offset | undefined;
  /** The last batch: where it is, and its last offset. */
  #last: { readonly offset: Offset; readonly position: number } | undefined;
  /** The file was cut short from outside: before this offset something is missing at its end. */
  #missingUntil: Offset | undefined;
  #file: StorageFile | undefined;
  #opening: Promise<StorageFile> | undefined;
  #loading: Promise<SparseIndex> | undefined;
  /** What the name of the records file has behind it while the segment is not part of the log yet. */
  #suffix: string;
  /** Readers at work. */
  #holds = 0;
  /** No longer part of the log: closed with the last reader. */
  #retired = false;
  /** Something was written that no sync has covered. */
  dirty = false;
  /** The file's name is on stable storage. */
  #named: boolean;
  readonly #recent = new RecentWrites();

  constructor(
    storage: Storage,
    directory: string,
    baseOffset: Offset,
    size: number,
    createdAt: number,
    suffix = "",
  ) {
    this.#storage = storage;
    this.#directory = directory;
    this.baseOffset = baseOffset;
    this.size = size;
    this.written = size;
    this.createdAt = createdAt;
    this.#suffix = suffix;
    this.#indexFile = new IndexFile(storage, this.#path("index"), OFFSET_ENTRY_BYTES);
    this.#timeFile = new IndexFile(storage, this.#path("timeindex"), TIME_ENTRY_BYTES);
    // Also of a file that was found: a process that ended before its sync leaves names that only memory knows.
    this.#named = false;
    if (size === 0) this.#index = new SparseIndex();
  }

  #path(extension: string): string {
    const suffix = extension === "log" ? this.#suffix : "";
    return `${this.#directory}/${segmentName(this.baseOffset)}.${extension}${suffix}`;
  }

  /** Size of the larger of the indexes, when it is written out. */
  get indexBytes(): number {
    return Math.max(this.#indexFile.bytes, this.#timeFile.bytes);
  }

  /** Notes a batch at the end of the segment, in memory. */
  appended(batch: BatchHeader, indexIntervalBytes: number): void {
    if (this.size === 0) this.firstTimestamp = batch.baseTimestamp;
    this.noteTimeOf(batch);
    if (this.#bytesSinceIndex > indexIntervalBytes) {
      this.#noteOffset(batch.lastOffset, this.size);
      this.#noteTime();
      this.#bytesSinceIndex = 0;
    }
    this.#last = { offset: batch.lastOffset, position: this.size };
    this.#bytesSinceIndex += batch.size;
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
    this.maxTimestamp = batch.maxTimestamp;
    this.maxTimestampOffset = batch.lastOffset;
  }

  #noteOffset(lastOffset: Offset, position: number): void {
    this.#index?.push(lastOffset, position);
    this.#indexFile.push((view, at) => {
      view.setInt32(at, lastOffset - this.baseOffset);
      view.setInt32(at + 4, position);
    });
  }

  #noteTime(): void {
    if (this.maxTimestamp <= this.#indexedTimestamp) return;
    this.#indexedTimestamp = this.maxTimestamp;
    this.#timeFile.push((view, at) => {
      view.setBigInt64(at, BigInt(this.maxTimestamp));
      view.setInt32(at + 8, this.maxTimestampOffset - this.baseOffset);
    });
  }

  /**
   * Nothing more comes: the time index ends with the segment's largest timestamp, as Kafka's does, and the offset index with
   * the last batch, so that a file that is cut short later is known by it.
   * @param endOffset base offset of the segment behind
   */
  seal(endOffset: Offset): void {
    this.#noteTime();
    const { lastPosition } = this.#index ?? { lastPosition: Infinity };
    if (this.#last !== undefined && this.#last.position > lastPosition) {
      this.#noteOffset(this.#last.offset, this.#last.position);
    }
    this.#sealedAt = endOffset;
    this.dirty = true;
  }

  /** The same of a segment that was found closed. */
  foundSealed(endOffset: Offset): void {
    this.#sealedAt = endOffset;
    // No closed segment is empty: its index says what it was.
    if (this.written === 0) this.#index = undefined;
  }

  get sealed(): boolean {
    return this.#sealedAt !== undefined;
  }

  /**
   * Called when a read has come to the end of the file.
   * @param from where it began: the beginning of a batch
   * @param to where it found no more batches
   * @throws DamagedError when the file was longer once
   */
  async refuseMissing(from: number, to: number): Promise<void> {
    if (!this.sealed) return;
    if (this.#index === undefined) await this.#loadedIndex();
    const until = this.#missingUntil;
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

  /** Whether a batch that reaches behind the end of the file is part of what is missing there. */
  misses(lastOffset: Offset): boolean {
    const until = this.#missingUntil ?? this.#sealedAt;
    return until !== undefined && lastOffset < until;
  }

  /** Writes the next bytes of the records file; `now` by the monotonic clock, for what was checked a moment before. */
  async write(parts: readonly Uint8Array[], bytes: number, now?: Millis): Promise<void> {
    const file = await this.#open("create");
    if (now !== undefined) this.#recent.noted(this.written, now);
    const done = bytes <= LOOP_WRITE_BYTES && file.writeSync(this.written, parts);
    if (!done) await file.write(this.written, parts);
    this.written += bytes;
    this.dirty = true;
  }

  /**
   * Syncs the records file and writes out the indexes (which are rebuilt if they are lost).
   * @param all also of an index that has little new
   */
  async sync(all = true): Promise<void> {
    if (this.dirty) await this.syncRecords();
    await this.#writeIndexes(all);
  }

  async syncRecords(): Promise<void> {
    this.dirty = false;
    await this.#file?.sync();
    if (!this.#named) {
      await this.#storage.syncDirectory(this.#directory);
      this.#named = true;
    }
  }

  async #writeIndexes(all: boolean): Promise<void> {
    await this.#indexFile.writeOut(all, this.sealed);
    await this.#timeFile.writeOut(all, this.sealed);
  }

  /** Fills `into` from the file; only what is written there. */
  async read(position: number, into: Uint8Array): Promise<number> {
    const file = await this.#open("existing");
    const { written } = this;
    const filled = await file.read(position, into);
    const end = position + filled;
    // Noticed while the process runs: what its index has is no help, it was all there when that was loaded. Unless a repair
    // has brought some of it since the read began.
    const repaired = written !== this.written;
    if (this.sealed && filled < into.length && end < written && !repaired) {
      this.#missingUntil ??= (this.#last?.offset ?? (this.#sealedAt ?? 0) - 1) + 1;
      this.written = end;
      this.size = end;
    }
    return filled;
  }

  /** From which position on the checksums need not be looked at: it was written here after `since`, a short time ago. */
  recentFrom(since: Millis): number {
    return this.#recent.from(since);
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
    return (this.#index ?? (await this.#loadedIndex())).entryAt(offset);
  }

  /** The headers of the batches from `position` to the end of the file, with what is whole of it. */
  async scan(
    position: number,
    visit: (batch: BatchHeader) => boolean | undefined,
  ): Promise<number> {
    if (position >= this.written) return position;
    const buffer = new Uint8Array(Math.min(SCAN_BYTES, this.written - position));
    let at = position;
    for (;;) {
      const filled = await this.read(at, buffer);
      let within = 0;
      for (;;) {
        const size = batchSizeAt(buffer.subarray(0, filled), within);
        if (size === undefined || size < BATCH_HEADER_BYTES || filled - within < BATCH_HEADER_BYTES)
          break;
        if (at + within + size > this.written) return at + within;
        const header = batchHeaderAt(buffer, within, size);
        if (visit({ ...header, position: at + within }) === false) return at + within;
        within += size;
        // A batch larger than the buffer: its header was enough, go on behind it.
        if (within > filled) break;
      }
      if (within === 0) return at;
      at += within;
      if (at >= this.written) return at;
    }
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
    const file = await this.#open("existing");
    await file.write(position, [batch]);
    await file.sync();
    const end = position + batch.length;
    if (end <= this.written) return;
    this.written = end;
    this.size = end;
    const { lastOffset } = batchHeaderAt(batch, 0, batch.length);
    if (this.misses(lastOffset + 1)) return;
    // What the indexes have behind the cut may be other places than those of the batches brought.
    const endOffset = this.#sealedAt;
    await this.rebuild(indexIntervalBytes);
    if (endOffset === undefined) return;
    this.seal(endOffset);
    await this.#writeIndexes(true);
  }

  /**
   * Cuts the file and the indexes at `position`, where a batch began. Of the records only the end is read.
   * @param sync not during recovery, which would cut it at the same place again
   */
  async truncate(position: number, indexIntervalBytes: number, sync = true): Promise<void> {
    const file = await this.#open("create");
    await file.truncate(position);
    if (sync) await file.sync();
    else this.dirty = true;
    this.#recent.clear();
    await this.#writeIndexes(true);
    this.written = position;
    this.size = position;
    await this.recoverIndexes(indexIntervalBytes);
    this.#sealedAt = undefined;
    this.#missingUntil = undefined;
  }

  /** Reads the whole segment and makes its indexes anew. */
  async rebuild(indexIntervalBytes: number): Promise<void> {
    const { written } = this;
    await this.#indexFile.clear();
    await this.#timeFile.clear();
    this.#index = new SparseIndex();
    this.#indexedTimestamp = -1;
    this.#bytesSinceIndex = 0;
    this.#last = undefined;
    this.#missingUntil = undefined;
    this.maxTimestamp = -1;
    this.maxTimestampOffset = -1;
    this.size = 0;
    await this.scan(0, (batch) => {
      this.appended(batch, indexIntervalBytes);
      return undefined;
    });
    this.size = written;
    await this.#writeIndexes(true);
  }

  /** Takes over the index files as found, if they are whole; else they are made anew. Of their content it reads the end only. */
  async adopt(indexIntervalBytes: number): Promise<void> {
    if (this.size === 0) return;
    const index = await this.#indexFile.ending(0);
    const time = await this.#timeFile.ending(TIME_ENTRY_BYTES);
    const whole =
      index !== undefined &&
      time !== undefined &&
      index.size % OFFSET_ENTRY_BYTES === 0 &&
      time.size % TIME_ENTRY_BYTES === 0 &&
      time.size > 0;
    const last = Buffer.from(time?.bytes ?? []);
    // Zeros: the file's length survived a crash and its content did not.
    if (!whole || last.readBigInt64BE(0) <= 0) {
      await this.rebuild(indexIntervalBytes);
      return;
    }
    this.#indexFile.found(index.size);
    this.#timeFile.found(time.size);
    this.maxTimestamp = Number(last.readBigInt64BE(0));
    this.maxTimestampOffset = this.baseOffset + last.readInt32BE(8);
    this.#indexedTimestamp = this.maxTimestamp;
  }

  async #loadedIndex(): Promise<SparseIndex> {
    this.#loading ??= this.#loadIndex().finally(() => {
      this.#loading = undefined;
    });
    const loaded = await this.#loading;
    return (this.#index ??= loaded);
  }

  /**
   * Of the segment that is the active one, after a crash or a cut: its indexes were not synced and may have holes, or go on
   * behind the records. They are cut there, which is synced: what is appended next has other places. The largest timestamp
   * behind is looked for in the records.
   */
  async recoverIndexes(indexIntervalBytes: number): Promise<void> {
    const index = await this.#loadIndex();
    const time = Buffer.from((await this.#timeFile.read()) ?? []);
    const lacking = index.count === 0 ? this.written > indexIntervalBytes : time.length === 0;
    if (lacking) {
      await this.rebuild(indexIntervalBytes);
      return;
    }
    this.#index = index;
    await this.#indexFile.cut(index.count * OFFSET_ENTRY_BYTES);
    const last = index.entryAt(Infinity);
    const from = last?.position ?? 0;
    this.#last = undefined;
    this.maxTimestamp = -1;
    this.maxTimestampOffset = this.baseOffset - 1;
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
    this.#bytesSinceIndex = this.written - from;
    const behind = { timestamp: this.maxTimestamp, offset: this.maxTimestampOffset };
    await this.#recoverTimes(time);
    const timed = index.floor(this.maxTimestampOffset);
    if (timed < from) {
      await this.scan(timed, (batch) => {
        if (batch.position >= from) return false;
        this.noteTimeOf(batch);
        return undefined;
      });
    }
    if (behind.timestamp <= this.maxTimestamp) return;
    this.maxTimestamp = behind.timestamp;
    this.maxTimestampOffset = behind.offset;
  }

  /** Believes the time index as far as it grows and speaks of records that are there. */
  async #recoverTimes(time: Buffer): Promise<void> {
    const end = this.#last?.offset ?? this.baseOffset - 1;
    this.maxTimestamp = -1;
    this.maxTimestampOffset = this.baseOffset - 1;
    let at = 0;
    for (; at + TIME_ENTRY_BYTES <= time.length; at += TIME_ENTRY_BYTES) {
      const timestamp = Number(time.readBigInt64BE(at));
      const offset = this.baseOffset + time.readInt32BE(at + 8);
      if (timestamp <= this.maxTimestamp || offset <= this.maxTimestampOffset || offset > end)
        break;
      this.maxTimestamp = timestamp;
      this.maxTimestampOffset = offset;
    }
    this.#indexedTimestamp = this.maxTimestamp;
    await this.#timeFile.cut(at);
  }

  async #loadIndex(): Promise<SparseIndex> {
    const bytes = await this.#indexFile.read();
    const index = new SparseIndex();
    if (bytes === undefined) return index;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const last = bytes.length - (bytes.length % OFFSET_ENTRY_BYTES) - OFFSET_ENTRY_BYTES;
    if (last >= 0 && this.#sealedAt !== undefined) {
      const until = this.baseOffset + view.getInt32(last) + 1;
      // An index that reaches behind the segment is not of these records: a crash has left one of a file that compaction had
      // put in the place of several. What it says of places in this one is not believed, and none of it is missing.
      if (until > this.#sealedAt) return index;
      if (view.getInt32(last + 4) >= this.written) this.#missingUntil ??= until;
    }
    for (let at = 0; at + OFFSET_ENTRY_BYTES <= bytes.length; at += OFFSET_ENTRY_BYTES) {
      const position = view.getInt32(at + 4);
      // A torn index is worth less than none: what does not grow is not believed.
      if (position <= index.lastPosition || position >= this.written) break;
      index.push(this.baseOffset + view.getInt32(at), position);
    }
    return index;
  }

  async #open(mode: "create" | "existing"): Promise<StorageFile> {
    if (this.#file !== undefined) return this.#file;
    this.#opening ??= this.#storage.open(this.#path("log"), mode).finally(() => {
      this.#opening = undefined;
    });
    const opened = await this.#opening;
    return (this.#file ??= opened);
  }

  /** A reader begins: the file stays open until it has called `release`, whatever becomes of the segment. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    if (!this.#retired || this.#holds > 0) return;
    // Nothing is lost with a file that is no longer part of the log.
    this.close().catch(() => undefined);
  }

  /** Reading needs no names from here on: another segment takes them. */
  async openForGood(): Promise<void> {
    await this.#open("create");
    if (this.#index === undefined) await this.#loadedIndex();
  }

  /** The segment is no longer part of the log; its readers go on. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.#holds > 0) await this.openForGood();
    else await this.close();
  }

  /** Takes the place of the segment that has this base offset, whose indexes go. */
  async install(): Promise<void> {
    const written = this.#path("log");
    this.#suffix = "";
    await this.#storage.rename(written, this.#path("log"));
    for (const extension of ["index", "timeindex"]) {
      await this.#storage.remove(this.#path(extension));
    }
    await this.#writeIndexes(true);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async remove(): Promise<void> {
    await this.removeRecords();
    await this.#storage.remove(this.#path("snapshot"));
  }

  /** Removes all but a producers' snapshot, which may be of this offset by chance. */
  async removeRecords(): Promise<void> {
    await this.retire();
    for (const extension of ["log", "index", "timeindex", "txnindex"]) {
      await this.#storage.remove(this.#path(extension));
    }
  }
}
