import type { BatchHeader } from "../protocol/record-batch.ts";
import { uuidBytesOf, uuidTextAt } from "../protocol/uuid-text.ts";
import type { Checkpoint, SavedLog } from "./checkpoints.ts";
import { type Entry, EntryKind } from "./journal-format.ts";
import { recoverSwap } from "./compaction/segment-swap.ts";
import { present } from "../../lib/assert.ts";
import { forEachOf } from "../../lib/concurrency.ts";
import type { Random } from "../../lib/random.ts";
import { DamagedError } from "./damage.ts";
import { LeaderEpochCache } from "./leader-epoch-cache.ts";
import type { LogContext } from "./log-context.ts";
import { DEFAULT_LOG_CONFIG } from "./log-options.ts";
import { JournaledLog } from "./partition-log.ts";
import { ProducerState } from "./producer-state.ts";
import { Segment } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import { readSmall } from "./storage.ts";
import type { LogConfig, LogIdentity } from "./types.ts";
import { logDirectories, logKey, readIdentity } from "./volume.ts";
import { firstDamaged, isWhole } from "./whole-batches.ts";

/** Many small reads: while one waits for the disk others go on. */
const LOGS_AT_A_TIME = 16;

/**
 * Brings the logs of a volume back: each as of the last checkpoint, as its files have it, and then by the journal's
 * entries since to where it was at the last sync.
 */
export class Recovery {
  readonly logs = new Map<string, JournaledLog>();
  /** Entries replayed. */
  entries = 0;
  readonly #context: LogContext;
  readonly #saved: Checkpoint;
  readonly #onUnwritten: (log: JournaledLog) => void;
  /** Logs whose files end before their recovery point: right only if the journal says that they were cut. */
  readonly #short = new Map<string, number>();
  /** Logs that damage keeps from being brought to where the journal says, and what it was. They begin anew. */
  readonly #spoilt = new Map<string, string>();
  /** Those of them that end at the damage: what is before it is theirs. */
  readonly #ended = new Set<string>();
  /** Folders with records that do not say of which log they are. */
  readonly #nobodys: string[] = [];

  constructor(context: LogContext, saved: Checkpoint, onUnwritten: (log: JournaledLog) => void) {
    this.#context = context;
    this.#saved = saved;
    this.#onUnwritten = onUnwritten;
  }

  /** Opens every log as of the last checkpoint. */
  async load(random: Random): Promise<void> {
    const { storage, logger } = this.#context;
    await forEachOf(await logDirectories(storage), LOGS_AT_A_TIME, async (directory) => {
      const identity = await readIdentity(storage, directory);
      if (identity === undefined) {
        if (!(await this.#holdsRecords(directory))) return;
        // Whose it is was on stable storage before anything was written to it.
        const aside = `${directory}.${Buffer.from(random.uuid()).toString("hex")}-damaged`;
        logger.error("a folder does not say whose it is: put aside", { directory, aside });
        await storage.rename(directory, aside);
        this.#nobodys.push(directory);
        return;
      }
      const log = await this.#load(directory, identity);
      this.logs.set(logKey(identity.topicId, identity.partition), log);
    });
  }

  async #holdsRecords(directory: string): Promise<boolean> {
    const { storage } = this.#context;
    for (const name of await storage.list(directory)) {
      if (!name.endsWith(".log")) continue;
      if ((await storage.ending(`${directory}/${name}`, 0))?.size !== 0) return true;
    }
    return false;
  }

  /** What a log's files hold beyond the checkpoint is not trusted, the journal has it. */
  async #load(directory: string, identity: LogIdentity): Promise<JournaledLog> {
    const { storage } = this.#context;
    const key = logKey(identity.topicId, identity.partition);
    const saved = this.#saved.logs.get(key);
    const recoveryPoint = saved?.recoveryPoint ?? 0;
    const logStartOffset = saved?.logStartOffset ?? 0;
    const names = await recoverSwap(storage, directory);
    const list = await this.#segments(directory, names, recoveryPoint, logStartOffset);
    const config = configOf(saved);
    for (const segment of list.all) {
      // After a crash the active one is looked through for more than that.
      if (segment.sealed || this.#saved.clean) await segment.adopt(config.indexIntervalBytes);
    }
    const { end: filesEnd, whole } = await this.#cut(list, saved, config);
    const short = filesEnd < (saved?.filesEnd ?? 0);
    if (short) this.#short.set(key, recoveryPoint);
    if (!whole) {
      this.#spoilt.set(key, `end at damage at ${String(filesEnd)}`);
      this.#ended.add(key);
    }
    const end = short ? filesEnd : Math.max(filesEnd, recoveryPoint);
    const epochs = LeaderEpochCache.decode(
      await readSmall(storage, `${directory}/leader-epoch-checkpoint`),
    );
    const known = epochs.entries().length;
    epochs.truncateFromEnd(end);
    const log = new JournaledLog({
      identity,
      directory,
      topicIdBytes: uuidBytesOf(identity.topicId),
      config,
      context: this.#context,
      segments: list,
      epochs,
      producers: new ProducerState(),
      logStartOffset: Math.max(logStartOffset, list.firstOffset),
      logEndOffset: end,
      filesEnd,
      highWatermark: saved?.highWatermark ?? 0,
      cleanedOffset: Math.min(saved?.cleanedOffset ?? 0, end),
      onUnwritten: this.#onUnwritten,
    });
    // Left in the file, they would be taken for begun again once the log has grown beyond them.
    log.epochsDirty = epochs.entries().length < known;
    return log;
  }

  async #segments(
    directory: string,
    names: readonly string[],
    recoveryPoint: number,
    logStartOffset: number,
  ): Promise<SegmentList> {
    const { storage, scheduler, readBuffers } = this.#context;
    const now = scheduler.wallNow();
    const segments: Segment[] = [];
    for (const name of names) {
      if (!name.endsWith(".log")) continue;
      const baseOffset = Number(name.slice(0, -4));
      const { size } = present(await storage.ending(`${directory}/${name}`, 0), "it was listed");
      const segment = new Segment(storage, directory, baseOffset, size, now);
      // Begun after the checkpoint.
      if (baseOffset >= recoveryPoint && baseOffset > logStartOffset) {
        await segment.remove();
        // Back after another crash it would stand beside what the journal is about to put in its place.
        await storage.syncDirectory(directory);
      } else segments.push(segment);
    }
    if (segments.length === 0) {
      segments.push(new Segment(storage, directory, logStartOffset, 0, now));
    }
    for (const [at, segment] of segments.entries()) {
      const following = segments[at + 1];
      if (following !== undefined) segment.foundSealed(following.baseOffset);
    }
    const list = new SegmentList(storage, directory, segments, readBuffers);
    // Deleted by retention, and back because their names' removal was not synced.
    for (const segment of list.dropBefore(logStartOffset)) await segment.remove();
    return list;
  }

  /**
   * Cuts the active segment at the recovery point.
   * @returns where the files end, and whether they do not do so at damage before where they ended once: then nothing is
   * cut, since only what is there tells damage from a cut that the files had followed
   */
  async #cut(
    { active }: SegmentList,
    saved: SavedLog | undefined,
    config: LogConfig,
  ): Promise<{ readonly end: number; readonly whole: boolean }> {
    const recoveryPoint = saved?.recoveryPoint ?? 0;
    // After a clean stop nothing is beyond the recovery point, and this reads only the end of the active segment.
    let end = active.baseOffset;
    let last = 0;
    let beyond: BatchHeader | undefined;
    /** Offsets never go back: one of two neighbours is not what was written. */
    let goesBack = false;
    const scanned = await active.scan(await active.positionFor(recoveryPoint - 1), (batch) => {
      goesBack = batch.baseOffset < (beyond === undefined ? end : beyond.lastOffset + 1);
      if (beyond !== undefined || goesBack) return false;
      if (batch.lastOffset >= recoveryPoint) beyond = batch;
      else {
        end = batch.lastOffset + 1;
        last = batch.position;
        active.noteFound(batch);
      }
      return undefined;
    });
    const position = beyond?.position ?? scanned;
    const more = position < active.written;
    const ended = end < (saved?.filesEnd ?? 0);
    if (ended || (more && beyond?.baseOffset !== end)) {
      const short = more && ended && (goesBack || !(await isWhole(active, position)));
      // What the last batch says of its length or its offsets may be what is damaged: it is to be cut at its end.
      const wrong = end > active.baseOffset && !(await isWhole(active, last));
      if (short || wrong) return { end, whole: false };
    }
    if (more) await active.truncate(position, config.indexIntervalBytes, false);
    else if (!this.#saved.clean && active.written > 0) {
      await active.recoverIndexes(config.indexIntervalBytes);
    }
    return { end, whole: true };
  }

  /** Applies one entry to its log; all of it was applied before to the state that this one was recovered to. */
  async replay(entry: Entry): Promise<void> {
    this.entries++;
    const key = logKey(uuidTextAt(entry.topicId, 0), entry.partition);
    const log = this.logs.get(key);
    // The log was deleted after the entry was written.
    if (log === undefined) return;
    // Until the journal says how the files came to be short, nothing fits behind their end.
    const fits = !this.#short.has(key) && !this.#spoilt.has(key);
    switch (entry.kind) {
      case EntryKind.append:
        if (!fits) return;
        if (entry.offset >= log.logEndOffset) await log.replayAppend(entry.payload);
        else log.confirmEpoch(entry.payload);
        return;
      case EntryKind.truncate:
        await this.#truncate(log, key, entry.offset);
        return;
      case EntryKind.startAt:
        this.#short.delete(key);
        this.#spoilt.delete(key);
        this.#ended.delete(key);
        await log.truncateFullyAndStartAt(entry.offset);
        return;
      case EntryKind.epoch:
        if (!fits) return;
        log.assignEpoch(
          new DataView(entry.payload.buffer, entry.payload.byteOffset).getInt32(0),
          entry.offset,
        );
        return;
      case EntryKind.logStart:
        log.raiseLogStart(Math.min(entry.offset, log.logEndOffset));
    }
  }

  async #truncate(log: JournaledLog, key: string, offset: number): Promise<void> {
    // Unless what was taken for damage lies where the log is cut, or behind: torn writes of after the cut.
    if (this.#spoilt.has(key) && (!this.#ended.has(key) || offset > log.logEndOffset)) return;
    try {
      if (this.#ended.has(key)) await log.segments.truncateTo(offset, log.config);
      this.#spoilt.delete(key);
      this.#ended.delete(key);
      // The files had followed already, into a gap: what is missing below was never there.
      if (this.#short.delete(key) && offset > log.logEndOffset) log.extendTo(offset);
      // Also when the log ends there already: an epoch that had begun beyond has gone with it.
      await log.truncateTo(Math.max(offset, log.logStartOffset));
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      this.#spoilt.set(key, `were to be cut at ${String(offset)}`);
    }
  }

  /** Reads back the producers' state of all logs, from their last snapshots on. */
  rebuildProducers(): Promise<void> {
    return forEachOf(this.logs.values(), LOGS_AT_A_TIME, (log) => log.recoverProducers());
  }

  /**
   * Logs that damage has spoilt go on with what is left before it, or begin anew. Only once nobody counts on this volume:
   * until then what is there is the evidence.
   */
  async giveUpSpoilt(): Promise<void> {
    for (const key of this.#spoilt.keys()) {
      const log = this.logs.get(key);
      if (log === undefined) continue;
      const { active } = log.segments;
      const damaged = await firstDamaged(active, 0, active.written);
      const end = Math.min(damaged?.offset ?? Infinity, log.logEndOffset);
      try {
        if (this.#ended.has(key) && end >= log.logStartOffset) {
          await log.segments.truncateTo(end, log.config);
          if (end < log.logEndOffset) await log.truncateTo(end);
          continue;
        }
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
      }
      await log.truncateFullyAndStartAt(log.logStartOffset);
    }
  }

  /** After the last entry: what was synced and is not there any more. */
  damage(): string[] {
    return [
      ...this.#nobodys.map((directory) => `metadata of ${directory}`),
      ...[...this.#short].map(
        ([log, recoveryPoint]) => `segments of ${log}, which end before ${String(recoveryPoint)}`,
      ),
      ...[...this.#spoilt].map(([log, what]) => `segments of ${log}, which ${what}`),
    ];
  }
}

/** As the log was written: what is put back into segments is cut into them as before. */
function configOf(saved: SavedLog | undefined): LogConfig {
  const { segmentBytes, indexIntervalBytes } = saved ?? DEFAULT_LOG_CONFIG;
  return { ...DEFAULT_LOG_CONFIG, segmentBytes, indexIntervalBytes };
}
