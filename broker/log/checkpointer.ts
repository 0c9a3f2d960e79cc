import type { Scheduler } from "../../lib/clock.ts";
import { type Checkpoint, encodeCheckpoint, type SavedLog } from "./checkpoints.ts";
import type { LogContext } from "./log-context.ts";
import type { LogOptions } from "./log-options.ts";
import type { SafeFiles } from "./log-files.ts";
import type { JournaledLog } from "./partition-log.ts";
import { StorageError } from "./storage.ts";

export const CHECKPOINT = "forebay-checkpoint";

/** Brings segments up to the journal from time to time, and lets the journal forget what came before. */
export class Checkpointer {
  readonly #context: LogContext;
  readonly #options: LogOptions;
  readonly #logs: ReadonlyMap<string, JournaledLog>;
  #saved: Checkpoint;
  #savedAt = 0;
  #unwritten = new Set<JournaledLog>();
  #running: Promise<void> | undefined;
  #planned = false;
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

  /** A first checkpoint, then one whenever it is due. */
  async start(): Promise<void> {
    this.#started = true;
    await this.#checkpoint();
  }

  /** Something was appended to a log, or changed in it, that its files do not have. */
  note(log: JournaledLog): void {
    this.#unwritten.add(log);
    if (!this.#started || this.#closed || this.#running !== undefined) return;
    const { checkpointBytes, checkpointMs } = this.#options;
    if (this.#context.journal.position - this.#savedAt >= checkpointBytes) this.#run();
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
  }

  #run(): void {
    this.#running = this.#checkpoint()
      .catch((error: unknown) => {
        if (this.#closed) return;
        // A full volume is waited for; the journal holds what could not be written.
        if (!(error instanceof StorageError) || error.code !== "ENOSPC") this.#context.panic(error);
        this.#context.logger.error("segments not written: the volume is full");
      })
      .finally(() => {
        this.#running = undefined;
        const [log] = this.#unwritten;
        if (log !== undefined && !this.#closed) this.note(log);
      });
  }

  async #checkpoint(): Promise<void> {
    const { journal, storage } = this.#context;
    const journalPosition = journal.position;
    const generations = new Map([...this.#logs.values()].map((log) => [log, log.generation]));
    const logs = [...this.#unwritten];
    this.#unwritten = new Set();
    this.#savedAt = journalPosition;
    const safe = new Map<JournaledLog, SafeFiles | undefined>();
    try {
      await Promise.all(
        logs.map(async (log) => {
          safe.set(log, await log.checkpoint(this.#options.producerSnapshotBytes));
        }),
      );
    } catch (error) {
      for (const log of logs) this.#unwritten.add(log);
      throw error;
    }
    if ([...safe.values()].includes(undefined)) {
      for (const log of logs) this.#unwritten.add(log);
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

  /** A last checkpoint, of all logs. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    for (const log of this.#logs.values()) {
      log.bytesSinceSnapshot = Infinity;
      this.#unwritten.add(log);
    }
    await this.#checkpoint();
  }
}
