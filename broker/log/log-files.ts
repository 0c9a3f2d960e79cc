import { swapSegments } from "./compaction/segment-swap.ts";
import type { LeaderEpochCache } from "./leader-epoch-cache.ts";
import type { DamagedPlace } from "./damage.ts";
import type { LogContext } from "./log-context.ts";
import type { ProducerState } from "./producer-state.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import type { LogTail } from "./tail.ts";
import type { LogConfig, Offset } from "./types.ts";

/** How far a log is in its segments, on stable storage. */
export interface SafeFiles {
  readonly writtenOffset: Offset;
  /** Behind the last batch. */
  readonly filesEnd: Offset;
}

/** What a checkpoint asks of a log. */
export interface CheckpointedLog {
  readonly log: {
    readonly logEndOffset: Offset;
    readonly epochs: LeaderEpochCache;
    epochsDirty: boolean;
  };
  /** The producers' state, as of the log end, if it is to be saved. */
  readonly takeSnapshot: () => ProducerState | undefined;
  /** The last one before a stop: the next start believes the files. */
  readonly last: boolean;
}

/** What following a truncation asks of a log. */
export interface Truncation {
  readonly config: LogConfig;
  readonly logEndOffset: () => Offset;
  /** Runs with the files as they are then, unless another truncation waits. */
  readonly then: (writeOut: () => Promise<void>) => Promise<void>;
}

/**
 * The files of one log: they follow what has happened in memory, one piece of work after the other. What a crash takes
 * from them the journal tells.
 */
export class LogFiles {
  readonly directory: string;
  readonly segments: SegmentList;
  readonly #context: LogContext;
  readonly #tail: LogTail;
  #queue: Promise<void> = Promise.resolve();
  /** Truncations that the files have not followed yet: nothing else is written to segments meanwhile. */
  #truncating = 0;
  /** How many of them have had their turn, the last of which is under way or was kept from it by damage. */
  #due = 0;
  /** The lowest offset of those. */
  #cutAt: Offset = Infinity;
  #closed = false;

  constructor(context: LogContext, directory: string, segments: SegmentList, tail: LogTail) {
    this.#context = context;
    this.directory = directory;
    this.segments = segments;
    this.#tail = tail;
  }

  get closed(): boolean {
    return this.#closed;
  }
  get truncating(): boolean {
    return this.#truncating > 0;
  }
  /** Damage keeps the files from following a truncation: to be tried again once it is repaired. */
  get uncut(): boolean {
    return this.#due > 0;
  }

  /** Runs work on the files after all that was asked before. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(() => (this.#closed ? undefined : work()));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /** Writes what is in memory only to the segment files, in order behind what is under way. */
  writeOut(logEndOffset: () => Offset): Promise<void> {
    return this.#inOrder(() => this.#writeOut(logEndOffset));
  }

  /** @param limit of a truncation that is about to cut the files: only what it leaves is written. */
  async #writeOut(logEndOffset: () => Offset, limit = Infinity): Promise<void> {
    while (!this.#closed) {
      if (this.#truncating > 0 && limit === Infinity) return;
      const until = Math.min(limit, logEndOffset());
      const from = this.#tail.unwrittenOffset;
      if (from === undefined || from >= until) {
        this.#tail.writtenTo(until);
        return;
      }
      const segment = this.segments.holding(from);
      const piece = this.#tail.takeUnwritten(Math.min(limit, this.segments.endOf(segment)));
      if (piece === undefined) return;
      try {
        await segment.write(piece.parts, piece.bytes, this.#context.scheduler.now());
      } finally {
        piece.release();
      }
      piece.written();
      this.#context.arena.caughtUp();
    }
  }

  /**
   * The files follow a truncation to `offset` that memory and journal have gone through. The journal has it on stable
   * storage first, so that a shorter file is known for what it is.
   * @throws DamagedError when damage hides where to cut; nothing is written to segments then until `truncateAgain` succeeds
   */
  truncateTo(offset: Offset, cut: Truncation): Promise<void> {
    this.#truncating++;
    return this.#inOrder(async () => {
      this.#due++;
      this.#cutAt = Math.min(this.#cutAt, offset);
      await this.#follow(cut);
    });
  }

  /** Tries again what was refused for damage. */
  truncateAgain(cut: Truncation): Promise<void> {
    return this.#inOrder(() => this.#follow(cut));
  }

  async #follow({ config, logEndOffset, then }: Truncation): Promise<void> {
    if (this.#due > 0) {
      await this.#flushJournal();
      await this.#writeOut(logEndOffset, this.#cutAt);
      this.#tail.filesCutAt(await this.segments.truncateTo(this.#cutAt, config));
      this.#followed(config);
    }
    if (this.#truncating === 0) await then(() => this.#writeOut(logEndOffset));
  }

  /**
   * In its turn with all that changes files.
   * @param belongs whether the batch is part of the log, asked in that turn
   * @returns whether it fitted
   */
  async replaceDamaged(
    place: DamagedPlace,
    batch: Uint8Array,
    belongs: () => boolean,
    indexIntervalBytes: number,
  ): Promise<boolean> {
    let fitted = false;
    await this.#inOrder(async () => {
      // While nothing but damage holds up a truncation the files are what they were.
      if (this.#truncating > this.#due || !belongs()) return;
      fitted = await this.segments.replaceDamaged(place, batch, indexIntervalBytes);
    });
    return fitted;
  }

  /** The same for a log that begins anew. */
  startAt(offset: Offset, config: LogConfig): Promise<void> {
    this.#truncating++;
    return this.#inOrder(async () => {
      this.#due++;
      await this.#flushJournal();
      await this.segments.startAt(offset);
      this.#followed(config);
    });
  }

  async #flushJournal(): Promise<void> {
    if (!this.#context.replaying()) await this.#context.journal.flush();
  }

  /** What was appended since the truncation is counted to the segments as they are now. */
  #followed(config: LogConfig): void {
    this.#truncating -= this.#due;
    this.#due = 0;
    this.#cutAt = Infinity;
    const now = this.#context.scheduler.wallNow();
    for (const batch of this.#tail.unwritten()) this.segments.appended(batch, config, now);
  }

  /**
   * Puts a compacted segment in the place of those it was made of, see `swapSegments`.
   * @param still whether the log is what it was; a truncation that waits says that it is not
   */
  async replace(
    old: readonly Segment[],
    by: Segment,
    endOffset: Offset,
    still: () => boolean,
  ): Promise<boolean> {
    let done = false;
    await this.#inOrder(async () => {
      done = await swapSegments({
        storage: this.#context.storage,
        directory: this.directory,
        segments: this.segments,
        old,
        by,
        endOffset,
        still: () => !this.#closed && this.#truncating === 0 && still(),
        panic: this.#context.panic,
      });
      if (done) this.#tail.forgetBelow(endOffset);
    });
    return done;
  }

  /** Removes segments that are no longer part of the log. */
  remove(segments: readonly Segment[]): void {
    this.#inOrder(async () => {
      for (const segment of segments) await segment.remove();
    }).catch((error: unknown) => this.#context.panic(error));
  }

  /**
   * Writes out, syncs the segments and saves the epochs and, when there is one to be saved, the producers' snapshot.
   * @returns what is now safe in segments, or undefined when a truncation holds up what was appended: the
   * journal is then still needed.
   */
  async checkpoint({ log, takeSnapshot, last }: CheckpointedLog): Promise<SafeFiles | undefined> {
    let safe: SafeFiles | undefined;
    await this.#inOrder(async () => {
      await this.#writeOut(() => log.logEndOffset);
      // A truncation may have taken all that there was to write.
      this.#context.arena.caughtUp();
      if (this.#truncating > 0) return;
      safe = { writtenOffset: this.#tail.writtenOffset, filesEnd: this.#tail.filesEnd };
      await this.segments.sync(last);
      if (log.epochsDirty) await this.#saveEpochs(log);
      const producers = this.#truncating > 0 ? undefined : takeSnapshot();
      if (producers !== undefined) {
        await this.segments.snapshots.write(log.logEndOffset, producers.encode());
      }
    });
    return safe;
  }

  async #saveEpochs(log: CheckpointedLog["log"]): Promise<void> {
    log.epochsDirty = false;
    try {
      const path = `${this.directory}/leader-epoch-checkpoint`;
      await this.#context.storage.writeFileAtomic(path, log.epochs.encode());
    } catch (error) {
      log.epochsDirty = true;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#closed = true;
    await this.segments.close();
  }

  /** Stops everything without writing. */
  async abandon(): Promise<void> {
    this.#closed = true;
    this.#tail.abandon();
    await this.#queue;
    await this.segments.close();
  }
}
