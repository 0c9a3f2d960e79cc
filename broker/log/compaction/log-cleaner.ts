import type { Scheduler, Timer } from "../../../lib/clock.ts";
import type { Millis } from "../../../lib/units.ts";
import { DamagedError } from "../damage.ts";
import type { LogContext } from "../log-context.ts";
import type { LogOptions } from "../log-options.ts";
import type { JournaledLog } from "../partition-log.ts";
import { StorageError } from "../storage.ts";
import type { CompactionStats } from "../types.ts";
import { DamagedSegmentError } from "./batch-reader.ts";
import { type CleanTotals, compactPart } from "./clean-pass.ts";
import { GivenUp, Pacer } from "./pacer.ts";
import { type Cleanable, cleanablePart, isDue } from "./plan.ts";

interface Candidate {
  readonly log: JournaledLog;
  readonly part: Cleanable;
}

/** Compacts the logs of a broker in the background, one at a time, the one with the largest dirty ratio first. */
export class LogCleaner {
  readonly #context: LogContext;
  readonly #options: LogOptions;
  readonly #logs: () => Iterable<JournaledLog>;
  readonly #totals: CleanTotals = { bytesRead: 0, bytesWritten: 0, recordsRemoved: 0 };
  #runs = 0;
  #maxDirtyRatio = 0;
  #timer: Timer | undefined;
  #pacer: Pacer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: LogContext, options: LogOptions, logs: () => Iterable<JournaledLog>) {
    this.#context = context;
    this.#options = options;
    this.#logs = logs;
  }

  get stats(): CompactionStats {
    let uncleanable = 0;
    for (const log of this.#logs()) if (log.compaction.uncleanable) uncleanable++;
    const { bytesRead, bytesWritten, recordsRemoved } = this.#totals;
    const maxDirtyRatio = this.#maxDirtyRatio;
    return {
      runs: this.#runs,
      bytesRead,
      bytesWritten,
      recordsRemoved,
      maxDirtyRatio,
      uncleanable,
    };
  }

  get #scheduler(): Scheduler {
    return this.#context.scheduler;
  }

  start(): void {
    if (this.#options.cleanerEnabled) this.#plan(this.#options.cleanerBackoffMs);
  }

  /** Ends what is under way, as a crash would; the rest is found again at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#pacer?.wake();
    await this.#running;
  }

  #plan(delay: Millis): void {
    this.#timer = this.#scheduler.after(delay, () => {
      this.#running = this.#work().catch((error: unknown) => this.#context.panic(error));
    });
  }

  /** Compacts while something is due, then looks again after a while. */
  async #work(): Promise<void> {
    const givenUp = new Set<JournaledLog>();
    for (;;) {
      const next = this.#isStopped() ? undefined : await this.#look(givenUp);
      if (next === undefined) break;
      if (!(await this.#compact(next))) givenUp.add(next.log);
    }
    if (!this.#isStopped()) this.#plan(this.#options.cleanerBackoffMs);
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  /** The log that is due most. */
  async #look(except: ReadonlySet<JournaledLog>): Promise<Candidate | undefined> {
    const pacer = new Pacer(this.#scheduler, Infinity, () => true);
    let most: Candidate | undefined;
    let maxDirtyRatio = 0;
    for (const log of [...this.#logs()]) {
      if (!log.config.compact || log.compaction.uncleanable || !log.settled) continue;
      const part = await this.#partOf(log);
      if (pacer.due) await pacer.pause();
      if (part === undefined) continue;
      maxDirtyRatio = Math.max(maxDirtyRatio, part.dirtyRatio);
      if (except.has(log) || !isDue(part, log.config)) continue;
      if (most === undefined || part.dirtyRatio > most.part.dirtyRatio) most = { log, part };
    }
    this.#maxDirtyRatio = maxDirtyRatio;
    return most;
  }

  async #partOf(log: JournaledLog): Promise<Cleanable | undefined> {
    const facts = (): Cleanable | undefined =>
      cleanablePart(
        {
          segments: log.segments.all,
          logStartOffset: log.logStartOffset,
          cleanedOffset: log.compaction.cleanedOffset,
          limit: log.compactionLimit,
        },
        log.config,
        this.#scheduler.wallNow(),
      );
    const part = facts();
    // With a bound on how long records wait, the age of the oldest of them counts; it may have to be read first.
    if (part === undefined || part.overdue || log.config.maxCompactionLagMs > MAX_LAG_MS)
      return part;
    const first = log.segments.holding(part.firstDirtyOffset);
    if (first.firstTimestamp >= 0) return part;
    first.hold();
    try {
      await first.readFirstTimestamp();
    } finally {
      first.release();
    }
    return log.settled ? facts() : undefined;
  }

  /** @returns whether it was done, or is not to be tried again. */
  async #compact({ log, part }: Candidate): Promise<boolean> {
    const { generation } = log;
    const { topic, partition } = log.identity;
    const wanted = (): boolean =>
      !this.#isStopped() && log.settled && log.generation === generation && log.config.compact;
    if (!wanted()) return true;
    const { cleanerDedupeBytes, cleanerBufferBytes, cleanerBytesPerSecond, journalFileBytes } =
      this.#options;
    const pacer = new Pacer(this.#scheduler, cleanerBytesPerSecond, wanted);
    this.#pacer = pacer;
    const before = { ...this.#totals };
    const startedAt = this.#scheduler.now();
    const { firstDirtyOffset, endOffset } = part;
    try {
      await compactPart({
        log,
        part,
        context: this.#context,
        pacer,
        wanted,
        dedupeBytes: cleanerDedupeBytes,
        bufferBytes: cleanerBufferBytes,
        reserveBytes: 2 * journalFileBytes,
        totals: this.#totals,
      });
      this.#runs++;
      this.#context.logger.info("log compacted", {
        topic,
        partition,
        from: firstDirtyOffset,
        to: endOffset,
        bytesRead: this.#totals.bytesRead - before.bytesRead,
        bytesWritten: this.#totals.bytesWritten - before.bytesWritten,
        recordsRemoved: this.#totals.recordsRemoved - before.recordsRemoved,
        tookMs: Math.round(this.#scheduler.now() - startedAt),
      });
      return true;
    } catch (error) {
      if (error instanceof GivenUp) {
        this.#context.logger.debug("compaction given up", {
          topic,
          partition,
          reason: error.message,
        });
        return false;
      }
      if (error instanceof StorageError && error.code === "ENOSPC") {
        this.#context.logger.warn("compaction given up: the volume is full", { topic, partition });
        return false;
      }
      if (!(error instanceof DamagedSegmentError)) throw error;
      log.compaction.uncleanable = true;
      if (error.place !== undefined) log.onDamage?.(new DamagedError(error.place, error.message));
      this.#context.logger.error("log is not compacted while it is damaged", {
        topic,
        partition,
        error: error.message,
      });
      return true;
    } finally {
      this.#pacer = undefined;
    }
  }
}

/** Beyond a thousand years it is no bound. */
const MAX_LAG_MS = 1000 * 365 * 24 * 3_600_000;
