import type { Scheduler } from "../../lib/clock.ts";
import { forEachOf } from "../../lib/concurrency.ts";
import type { Millis } from "../../lib/units.ts";
import { type Checkpoint, encodeCheckpoint, type SavedLog } from "./checkpoints.ts";
import type { LogContext } from "./log-context.ts";
import type { LogOptions } from "./log-options.ts";
import type { SafeFiles } from "./log-files.ts";
import type { JournaledLog } from "./partition-log.ts";
import { StorageError } from "./storage.ts";

export const CHECKPOINT = "forebay-checkpoint";

/** Logs whose files are written or synced at the same time: the rest of the thread pool is the journal's. */
const WIDTH = 2;
/** Among so many logs at most is shared what may have grown since the producers' states were saved. */
const MAX_SNAPSHOT_SHARES = 256;
/** A full volume is tried again. */
const RETRY_MS = 1000;
/** What is wrong for long is told of now and again. */
const TELL_EVERY_MS: Millis = 60_000;

/**
 * Writes to segments what has gathered in memory, in large pieces; and from time to time syncs them, so that the journal may
 * forget what came before. The syncs are rare because the journal's own wait for them in the file system: with ten a
 * second they were a tenth of all acknowledgements' times.
 */
export class Checkpointer {
  readonly #context: LogContext;
  readonly #options: LogOptions;
  readonly #logs: ReadonlyMap<string, JournaledLog>;
  #saved: Checkpoint;
  #savedAt = 0;
  #writtenAt = 0;
  /** With something that their segments do not have. */
  #unwritten = new Set<JournaledLog>();
  /** With something that the last checkpoint does not have. */
  #unsaved = new Set<JournaledLog>();
  #writing: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #planned = false;
  #tellAt: Millis = -Infinity;
  #started = false;
  #closed = false;

  constructor(
    context: LogContext,
    options: LogOptions,
    logs: ReadonlyMap<string, JournaledLog>,
    saved: Checkpoint,
  ) {
    this.#context = context;
    this.#options = options;
    this.#logs = logs;
    this.#saved = saved;
  }

  get #scheduler(): Scheduler {
    return this.#context.scheduler;
  }

  /**
   * A first checkpoint, then one whenever it is due.
   * @param atOnce nothing may be appended before it: the last one was of an orderly stop, or of a volume that counts as
   * another now. Otherwise the journal still has all that was replayed, and a start does not wait for the syncs.
   */
  async start(atOnce: boolean): Promise<void> {
    this.#started = true;
    if (atOnce) await this.#checkpoint();
    else this.#run();
  }

  /** Something was appended to a log, or changed in it, that its files do not have. */
  note(log: JournaledLog): void {
    this.#unwritten.add(log);
    this.#unsaved.add(log);
    if (!this.#started || this.#closed) return;
    const { position } = this.#context.journal;
    const { writeOutBytes, checkpointBytes, checkpointMs } = this.#options;
    if (this.#writing === undefined && position - this.#writtenAt >= writeOutBytes) this.#write();
    if (this.#running !== undefined) return;
    if (position - this.#savedAt >= checkpointBytes) this.#run();
    else if (!this.#planned) {
      this.#planned = true;
      this.#scheduler.after(checkpointMs, () => {
        this.#planned = false;
        if (!this.#closed && this.#running === undefined) this.#run();
      });
    }
  }

  forget(log: JournaledLog): void {
    this.#unwritten.delete(log);
    this.#unsaved.delete(log);
  }

  #write(): void {
    const logs = this.#unwritten;
    this.#unwritten = new Set();
    this.#writtenAt = this.#context.journal.position;
    this.#writing = forEachOf(logs, WIDTH, (log) => log.writeOut())
      .catch((error: unknown) => {
        this.#failed(error);
        for (const log of logs) this.#unwritten.add(log);
      })
      .finally(() => {
        this.#writing = undefined;
      });
  }

  #run(): void {
    this.#running = this.#checkpoint()
      .catch((error: unknown) => {
        this.#failed(error);
      })
      .finally(() => {
        this.#running = undefined;
        const [log] = this.#unsaved;
        if (log !== undefined && !this.#closed) this.note(log);
      });
  }

  /** A full volume is waited for; the journal holds what could not be written. */
  #failed(error: unknown): void {
    if (this.#closed) return;
    if (!(error instanceof StorageError) || error.code !== "ENOSPC") this.#context.panic(error);
    this.#context.logger.error("segments not written: the volume is full");
    this.#scheduler.after(RETRY_MS, () => {
      if (this.#closed) return;
      if (this.#writing === undefined) this.#write();
      if (this.#running === undefined) this.#run();
    });
  }

  async #checkpoint(): Promise<void> {
    const { journal, storage } = this.#context;
    const journalPosition = journal.mark();
    const generations = new Map([...this.#logs.values()].map((log) => [log, log.generation]));
    const logs = this.#unsaved;
    this.#unsaved = new Set();
    this.#savedAt = journalPosition;
    const snapshotEvery = this.#snapshotEvery();
    const safe = new Map<JournaledLog, SafeFiles | undefined>();
    try {
      await forEachOf(logs, WIDTH, async (log) => {
        safe.set(log, await log.checkpoint(snapshotEvery));
      });
    } catch (error) {
      for (const log of logs) this.#unsaved.add(log);
      throw error;
    }
    if ([...safe.values()].includes(undefined)) {
      for (const log of logs) this.#unsaved.add(log);
      this.#tellOfUncut(journalPosition);
      return;
    }
    const saved = new Map<string, SavedLog>();
    for (const [key, log] of this.#logs) {
      const before = this.#saved.logs.get(key);
      const files = safe.get(log);
      const recoveryPoint = Math.min(
        files?.writtenOffset ?? before?.recoveryPoint ?? 0,
        log.writtenOffset,
      );
      saved.set(key, {
        recoveryPoint,
        logStartOffset: log.logStartOffset,
        highWatermark: Math.min(log.highWatermark, log.stableOffset),
        filesEnd: Math.min(files?.filesEnd ?? before?.filesEnd ?? 0, recoveryPoint),
        cleanedOffset: log.compaction.cleanedOffset,
        segmentBytes: log.config.segmentBytes,
        indexIntervalBytes: log.config.indexIntervalBytes,
      });
    }
    this.#saved = { journalPosition, clean: this.#closed, logs: saved };
    await storage.writeFileAtomic(CHECKPOINT, encodeCheckpoint(this.#saved));
    for (const [key, log] of this.#logs) {
      const one = saved.get(key);
      // Cut since: the next start would go through that truncation again.
      if (one === undefined || generations.get(log) !== log.generation) continue;
      log.compaction.checkpointedOffset = one.filesEnd;
    }
    await journal.freeBefore(journalPosition);
  }

  /** A truncation that damage keeps from the files is in the journal only: none of it is given up until that is repaired. */
  #tellOfUncut(journalPosition: number): void {
    const uncut = [...this.#logs.values()].filter((log) => log.uncut);
    const now = this.#scheduler.now();
    if (uncut.length === 0 || now < this.#tellAt) return;
    this.#tellAt = now + TELL_EVERY_MS;
    this.#context.logger.error(
      "the journal grows: logs wait for the repair of what was to be cut",
      {
        logs: uncut.map(({ files }) => files.directory),
        journalBytes: journalPosition - this.#saved.journalPosition,
      },
    );
  }

  /** Bytes of a log beyond its saved producers' state: its share of what all may have. */
  #snapshotEvery(): number {
    if (this.#closed) return 0;
    let grown = 0;
    for (const log of this.#logs.values()) if (log.producers.grown) grown++;
    const shares = Math.max(1, Math.min(grown, MAX_SNAPSHOT_SHARES));
    return this.#options.producerSnapshotBytes / shares;
  }

  /** A last checkpoint, of all logs. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#running;
    for (const log of this.#logs.values()) this.#unsaved.add(log);
    await this.#checkpoint();
  }
}
