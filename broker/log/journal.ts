import { assert } from "../../lib/assert.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Arena, Extent } from "./arena.ts";
import {
  ENTRY_HEADER_BYTES,
  type Entry,
  type EntryHead,
  fileHeader,
  FILE_HEADER_BYTES,
  padEntry,
  sealEntry,
} from "./journal-format.ts";
import {
  JOURNAL_DIRECTORY as DIRECTORY,
  type JournalFile,
  type ReplayedJournal,
  replayJournal,
} from "./journal-replay.ts";
import { LoopWrites } from "./loop-writes.ts";
import { type Storage, StorageError, type StorageFile } from "./storage.ts";

/** Whoever waits for its entries to be on stable storage. */
export interface JournalClient {
  /** Changes when what was appended before is no longer part of the log (a truncation). */
  readonly generation: number;
  /** All that it had appended up to `offset` in that generation is stable. */
  markStable(offset: number, generation: number): void;
}

interface Dirty {
  readonly offset: number;
  readonly generation: number;
}

const RETRY_MS = 250;
/** As many as a checkpoint under full load lets the journal grow by: a new one is written twice, with zeros first. */
const SPARE_FILES = 3;

interface OpenJournalFile {
  readonly open: StorageFile;
  readonly info: JournalFile;
  headerWritten: boolean;
  /** Its name is on stable storage. */
  named: boolean;
}

interface Piece {
  readonly extent: Extent;
  readonly from: number;
  to: number;
}

/**
 * One journal for all logs of the broker (DESIGN.md §4): what a loop turn appended is written with one gathered write and
 * one fdatasync at its end; what comes while a sync is on its way gathers for the next.
 */
export class Journal {
  readonly #storage: Storage;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #arena: Arena;
  readonly #fileBytes: number;
  readonly #panic: (error: unknown) => never;
  #appended: number;
  #synced: number;
  #pieces: Piece[] = [];
  /** Where the last entry of the last piece begins. */
  #lastEntryAt = 0;
  #dirty = new Map<JournalClient, Dirty>();
  #waiters: { readonly position: number; readonly resolve: () => void }[] = [];
  #flushPlanned = false;
  #flushing = false;
  /** The volume was full; what could not be written is tried again in a while. */
  #failing = false;
  /** The volume has failed: nothing is written any more, this process ends. */
  #failed = false;
  #closed = false;
  readonly #onLoop: LoopWrites;
  #file: OpenJournalFile | undefined;
  #files: JournalFile[];
  #spares: string[];
  /** Damaged files and those that were not replayed because of them: removed once they are not needed. */
  #forfeited: string[];
  #nextName: number;
  /** Entries that had been synced are damaged or missing: what was replayed is not all that was stable. */
  readonly damaged: boolean;

  private constructor(options: JournalOptions, found: ReplayedJournal) {
    const { position, names, damaged } = found;
    this.damaged = damaged;
    this.#files = [...found.files];
    this.#spares = [...found.spares];
    this.#forfeited = [...found.forfeited];
    this.#nextName = names;
    this.#storage = options.storage;
    this.#scheduler = options.scheduler;
    this.#onLoop = new LoopWrites(options.scheduler);
    this.#logger = options.logger;
    this.#arena = options.arena;
    this.#fileBytes = options.fileBytes;
    this.#panic = options.panic;
    this.#appended = position;
    this.#synced = position;
  }

  /**
   * Opens the journal and hands every whole entry from `from` on to `replay`, in order. A torn tail is cut there; what was
   * synced and is not whole makes the journal a damaged one.
   * @param clean nothing behind `from` counts
   */
  static async open(
    options: JournalOptions,
    from: number,
    replay: (entry: Entry) => Promise<void> | void,
    clean = false,
  ): Promise<Journal> {
    const found = await replayJournal(options.storage, from, replay, clean);
    return new Journal(options, found);
  }

  /** Position behind the last entry appended. */
  get position(): number {
    return this.#appended;
  }

  /** The same, as a place to begin replaying at. */
  mark(): number {
    this.#pad();
    return this.#appended;
  }
  /** The volume is full or has failed: nothing may be appended until it is not. */
  get refusing(): boolean {
    return this.#failing || this.#failed || this.#closed;
  }

  /**
   * Appends an entry, in memory; it is written at the end of this turn.
   * @param fill writes the payload at the given place of the extent, which stays the entry's home.
   */
  append(
    head: EntryHead,
    payloadBytes: number,
    fill: (bytes: Uint8Array, at: number) => void,
    client: JournalClient,
    clientOffset: number,
  ): { readonly extent: Extent; readonly payloadAt: number } {
    const length = ENTRY_HEADER_BYTES + payloadBytes;
    const extent = this.#arena.room(length);
    if (this.#pieces.at(-1)?.extent !== extent) this.#pad();
    const at = extent.filled;
    const payloadAt = at + ENTRY_HEADER_BYTES;
    fill(extent.bytes, payloadAt);
    sealEntry(extent.bytes, at, length, this.#appended, this.#synced, head);
    extent.filled = at + length;
    this.#appended += length;
    this.#arena.unsyncedBytes += length;
    this.#lastEntryAt = at;
    const last = this.#pieces.at(-1);
    if (last?.extent === extent && last.to === at) last.to = extent.filled;
    else {
      extent.unsynced++;
      this.#pieces.push({ extent, from: at, to: extent.filled });
    }
    this.#dirty.set(client, { offset: clientOffset, generation: client.generation });
    this.#planFlush();
    return { extent, payloadAt };
  }

  /** Brings the last piece to whole blocks; extents are whole blocks, so that it has the room. */
  #pad(): void {
    const last = this.#pieces.at(-1);
    const block = this.#storage.journalBlockBytes;
    if (last === undefined) return;
    const beyond = (last.to - last.from) % block;
    if (beyond === 0) return;
    const padding = block - beyond;
    padEntry(last.extent.bytes, this.#lastEntryAt, padding);
    last.to += padding;
    last.extent.filled = last.to;
    this.#appended += padding;
    this.#arena.unsyncedBytes += padding;
  }

  /** Resolves when everything appended so far is on stable storage. */
  flush(): Promise<void> {
    if (this.#synced >= this.#appended) return Promise.resolve();
    const position = this.#appended;
    return new Promise((resolve) => {
      this.#waiters.push({ position, resolve });
      this.#planFlush();
    });
  }

  /** Entries before `position` are not needed any more: their files are kept as spares or removed. */
  async freeBefore(position: number): Promise<void> {
    for (const name of this.#forfeited) await this.#storage.remove(`${DIRECTORY}/${name}`);
    this.#forfeited = [];
    const current = this.#file?.info;
    const freed = this.#files.filter((file) => file !== current && file.end <= position);
    if (freed.length === 0) return;
    this.#files = this.#files.filter((file) => !freed.includes(file));
    for (const { name } of freed) {
      if (this.#spares.length < SPARE_FILES) this.#spares.push(name);
      else await this.#storage.remove(`${DIRECTORY}/${name}`);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#file?.open.close();
    this.#file = undefined;
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#flushing || this.#failing || this.#failed) return;
    this.#flushPlanned = true;
    // Behind whatever the append wakes: followers have what was appended before the loop waits here for the disk.
    queueMicrotask(() => {
      this.#scheduler.soon(() => {
        this.#flushNow();
      });
    });
  }

  #flushNow(): void {
    this.#flushPlanned = false;
    if (this.#closed || this.#flushing) return;
    this.#flushAll().catch((error: unknown) => {
      if (this.#closed) return;
      this.#failed = true;
      this.#panic(error);
    });
  }

  async #flushAll(): Promise<void> {
    this.#flushing = true;
    while (this.#pieces.length > 0 && !this.#closed) {
      this.#pad();
      const pieces = this.#pieces;
      const dirty = this.#dirty;
      const position = this.#appended;
      this.#pieces = [];
      this.#dirty = new Map();
      let file: OpenJournalFile;
      let bytes = 0;
      for (const { from, to } of pieces) bytes += to - from;
      try {
        file = await this.#write(pieces, bytes);
      } catch (error) {
        if (this.#closed) break;
        if (!(error instanceof StorageError) || error.code !== "ENOSPC") throw error;
        this.#putBack(pieces, dirty);
        this.#logger.error("the volume is full: appends are refused", { retryMs: RETRY_MS });
        this.#failing = true;
        this.#arena.halted = true;
        this.#scheduler.after(RETRY_MS, () => {
          this.#failing = false;
          this.#arena.halted = false;
          this.#planFlush();
        });
        break;
      }
      // What a failed sync has lost cannot be known, and the next one would not tell: it is never tried again, whatever
      // the reason. Only a full volume that a write has found is coped with.
      await file.open.sync();
      if (!file.named) await this.#storage.syncDirectory(DIRECTORY);
      file.named = true;
      file.info.end += bytes;
      for (const piece of pieces) piece.extent.unsynced--;
      this.#arena.unsyncedBytes -= bytes;
      this.#synced = position;
      for (const [client, { offset, generation }] of dirty) client.markStable(offset, generation);
      this.#wake();
      this.#arena.caughtUp();
    }
    this.#flushing = false;
  }

  #putBack(pieces: Piece[], dirty: Map<JournalClient, Dirty>): void {
    this.#pieces = [...pieces, ...this.#pieces];
    for (const [client, newer] of this.#dirty) dirty.set(client, newer);
    this.#dirty = dirty;
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const still = this.#waiters.filter((waiter) => waiter.position > this.#synced);
    const done = this.#waiters.filter((waiter) => waiter.position <= this.#synced);
    this.#waiters = still;
    for (const waiter of done) waiter.resolve();
  }

  async #write(pieces: readonly Piece[], bytes: number): Promise<OpenJournalFile> {
    const parts = pieces.map(({ extent, from, to }) => extent.bytes.subarray(from, to));
    const file = await this.#fileFor(bytes);
    const at = FILE_HEADER_BYTES + file.info.end - file.info.start;
    if (!file.headerWritten) {
      await file.open.write(0, [fileHeader(file.info.start)]);
      file.headerWritten = true;
    }
    const done = this.#onLoop.attempt(bytes, () => file.open.writeSync(at, parts));
    if (!done) await file.open.write(at, parts);
    return file;
  }

  async #fileFor(bytes: number): Promise<OpenJournalFile> {
    const present = this.#file;
    if (present !== undefined) {
      const used = present.info.end - present.info.start;
      if (used === 0 || used + bytes <= this.#fileBytes) return present;
      this.#file = undefined;
      await present.open.close();
    }
    const spare = this.#spares.pop();
    const name = spare ?? `${String(this.#nextName).padStart(10, "0")}.journal`;
    let open: StorageFile;
    try {
      open = await this.#storage.open(`${DIRECTORY}/${name}`, "create", "journal");
    } catch (error) {
      if (spare !== undefined) this.#spares.push(spare);
      throw error;
    }
    if (spare === undefined) this.#nextName++;
    const info: JournalFile = { name, start: this.#synced, end: this.#synced };
    assert(
      !this.#files.some((file) => file.name === name),
      "L2: a journal file in use is not recycled",
    );
    this.#files.push(info);
    const opened = { open, info, headerWritten: false, named: spare !== undefined };
    this.#file = opened;
    return opened;
  }
}

export interface JournalOptions {
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly arena: Arena;
  /** A file is changed for the next one when it would grow beyond this. */
  readonly fileBytes: number;
  readonly panic: (error: unknown) => never;
}
