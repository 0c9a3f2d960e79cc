import { present } from "../../lib/assert.ts";
import { sleep } from "../../lib/clock.ts";
import { PAGE_BYTES, pageMemory } from "../../lib/page-memory.ts";
import type { Gate } from "../../lib/gate.ts";
import { uuidBytesOf } from "../protocol/uuid-text.ts";
import { Arena } from "./arena.ts";
import { LogCleaner } from "./compaction/log-cleaner.ts";
import { Checkpointer, CHECKPOINT } from "./checkpointer.ts";
import { decodeCheckpoint } from "./checkpoints.ts";
import { Journal } from "./journal.ts";
import { LeaderEpochCache } from "./leader-epoch-cache.ts";
import type { LogContext } from "./log-context.ts";
import { DEFAULT_LOG_OPTIONS, type LogManagerOptions, type LogOptions } from "./log-options.ts";
import { JournaledLog } from "./partition-log.ts";
import { ProducerState } from "./producer-state.ts";
import { ReadBuffers } from "./read-buffers.ts";
import { Recovery } from "./recovery.ts";
import { segmentsToDrop } from "./retention.ts";
import { Segment } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import { StorageError } from "./storage.ts";
import type { CompactionStats, LogConfig, LogIdentity, LogManager, PartitionLog } from "./types.ts";
import { type Room, VolumeRoom } from "./volume-room.ts";
import {
  disownVolume,
  doomedDirectory,
  identifyVolume,
  logDirectory,
  logKey,
  makeLogDirectory,
  type VolumeIdentity,
} from "./volume.ts";

export {
  DEFAULT_LOG_CONFIG,
  DEFAULT_LOG_OPTIONS,
  type LogManagerOptions,
  type LogOptions,
} from "./log-options.ts";

/** Between two looks at how much of the volume is free. */
const USAGE_EVERY_MS = 1000;

/** Between two tries to open a volume that is full. */
const FULL_RETRY_MS = 1000;

/**
 * Recovers the volume and opens its logs. One that is full is waited for: it may grow, and recovery needs some room.
 * Rejects with StorageError when the volume cannot be read.
 */
export async function openLogManager(given: LogManagerOptions): Promise<LogManager> {
  const { scheduler, logger, stopped = () => false } = given;
  for (;;) {
    try {
      return await openVolume(given);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== "ENOSPC" || stopped()) throw error;
      logger.error("the volume is full: it is opened when there is room", {
        retryMs: FULL_RETRY_MS,
      });
      await sleep(scheduler, FULL_RETRY_MS);
    }
  }
}

async function openVolume(given: LogManagerOptions): Promise<LogManager> {
  const { storage, scheduler, random, logger, panic } = given;
  const options = { ...DEFAULT_LOG_OPTIONS, ...given.options };
  const startedAt = scheduler.now();
  let volume = await identifyVolume(storage, random);
  const blockBytes = storage.journalBlockBytes;
  const arena = new Arena({
    ...options,
    budgetBytes: options.tailBytes,
    blockBytes,
    ...(blockBytes === PAGE_BYTES ? { pool: pageMemory(options.tailBytes) } : {}),
  });
  const opened: { journal?: Journal; checkpointer?: Checkpointer } = {};
  const context: LogContext = {
    storage,
    scheduler,
    logger,
    arena,
    get journal() {
      return present(opened.journal, "the journal is open once it was replayed");
    },
    readBuffers: new ReadBuffers(),
    room: new VolumeRoom(options.reserveBytes),
    trustWrittenMs: options.trustWrittenMs,
    replaying: () => opened.journal === undefined,
    panic,
  };
  const saved = decodeCheckpoint(await storage.readFile(CHECKPOINT));
  const recovery = new Recovery(context, saved, (log) => {
    checkpointer.note(log);
  });
  const { logs } = recovery;
  const checkpointer = new Checkpointer(context, options, logs, saved);
  try {
    await recovery.load(random);
    opened.journal = await Journal.open(
      { storage, scheduler, logger, arena, fileBytes: options.journalFileBytes, panic },
      saved.journalPosition,
      (entry) => recovery.replay(entry),
      saved.clean,
    );
    const damage = [
      ...(opened.journal.damaged ? ["entries of the journal that were synced"] : []),
      ...recovery.damage(),
    ];
    if (damage.length > 0) {
      // Before the first checkpoint, after which nobody could tell.
      logger.error("the volume is damaged: it counts as a new one", { damage });
      volume = await disownVolume(storage, random);
      await recovery.giveUpSpoilt();
    }
    // What was replayed is in the segments: once they are synced the journal may forget it.
    // More than a checkpoint lets gather: the last starts have ended before theirs, and what is replayed has to be bounded.
    const much = opened.journal.position - saved.journalPosition > 2 * options.checkpointBytes;
    const atOnce = saved.clean || damage.length > 0 || much;
    if (atOnce) await checkpointer.start(true);
    await recovery.rebuildProducers();
    if (!atOnce) await checkpointer.start(false);
  } catch (error) {
    for (const log of logs.values()) await log.abandon();
    throw error;
  }
  const manager = new JournaledLogManager(given, options, context, volume, logs, checkpointer);
  await manager.start();
  logger.info("logs recovered", {
    logs: logs.size,
    entries: recovery.entries,
    tookMs: Math.round(scheduler.now() - startedAt),
  });
  return manager;
}

class JournaledLogManager implements LogManager {
  readonly storageId: string;
  readonly storageGeneration: number;
  readonly #given: LogManagerOptions;
  readonly #options: LogOptions;
  readonly #context: LogContext;
  readonly #logs: Map<string, JournaledLog>;
  /** By folder: a topic that was made anew under its name finds the old one's logs in its own. */
  readonly #byDirectory: Map<string, JournaledLog>;
  readonly #checkpointer: Checkpointer;
  readonly #cleaner: LogCleaner;
  /** Folders of deleted logs that still have their names. */
  readonly #deleting = new Map<string, Promise<void>>();
  #usage = { freeBytes: 0, capacityBytes: 0 };
  #closed = false;

  constructor(
    given: LogManagerOptions,
    options: LogOptions,
    context: LogContext,
    volume: VolumeIdentity,
    logs: Map<string, JournaledLog>,
    checkpointer: Checkpointer,
  ) {
    this.storageId = volume.storageId;
    this.storageGeneration = volume.storageGeneration;
    this.#given = given;
    this.#options = options;
    this.#context = context;
    this.#logs = logs;
    this.#byDirectory = new Map([...logs.values()].map((log) => [log.files.directory, log]));
    this.#checkpointer = checkpointer;
    this.#cleaner = new LogCleaner(context, options, () => logs.values());
  }

  get logs(): Iterable<PartitionLog> {
    return this.#logs.values();
  }
  get compaction(): CompactionStats {
    return this.#cleaner.stats;
  }
  get held(): { logs: number; uncut: number } {
    let held = 0;
    let uncut = 0;
    for (const log of this.#logs.values()) {
      if (log.held) held++;
      if (log.uncut) uncut++;
    }
    return { logs: held, uncut };
  }
  get intake(): Gate {
    return this.#context.arena.relief;
  }
  get memory(): { tailBytes: number; heldBytes: number } {
    const { arena } = this.#context;
    return { tailBytes: arena.bytes, heldBytes: arena.detachedBytes };
  }
  get room(): Room {
    return this.#context.room.room;
  }
  get usage(): { freeBytes: number; capacityBytes: number } {
    return this.#usage;
  }

  get(topicId: string, partition: number): JournaledLog | undefined {
    return this.#logs.get(logKey(topicId, partition));
  }

  /** Begins the background work. */
  async start(): Promise<void> {
    await this.#lookAtUsage();
    this.#planRetention();
    this.#planUsage();
    this.#cleaner.start();
  }

  async open(identity: LogIdentity, config: LogConfig): Promise<PartitionLog> {
    const key = logKey(identity.topicId, identity.partition);
    const existing = this.#logs.get(key);
    if (existing !== undefined) {
      existing.config = config;
      return existing;
    }
    const { storage, scheduler } = this.#context;
    if (this.#closed) throw new StorageError("EIO", "the volume is closed");
    const directory = logDirectory(identity);
    // A log that comes back is a new one: what is made for it is not to go with the old one.
    await this.#deleting.get(directory);
    const other = this.#byDirectory.get(directory)?.identity;
    if (other !== undefined) await this.delete(other.topicId, other.partition);
    const segment = new Segment(storage, directory, 0, 0, scheduler.wallNow());
    const log = new JournaledLog({
      identity,
      directory,
      topicIdBytes: uuidBytesOf(identity.topicId),
      config,
      context: this.#context,
      segments: new SegmentList(storage, directory, [segment], this.#context.readBuffers),
      epochs: new LeaderEpochCache(),
      producers: new ProducerState(),
      logStartOffset: 0,
      logEndOffset: 0,
      filesEnd: 0,
      highWatermark: 0,
      cleanedOffset: 0,
      onUnwritten: (one) => {
        this.#checkpointer.note(one);
      },
    });
    try {
      // First: a folder that a crash leaves before the journal says that it is new is taken for a former log of its name and
      // topic, whose records are gone.
      await log.begin();
      await makeLogDirectory(storage, identity);
    } catch (error) {
      this.#checkpointer.forget(log);
      throw error;
    }
    this.#logs.set(key, log);
    this.#byDirectory.set(directory, log);
    return log;
  }

  async delete(topicId: string, partition: number): Promise<void> {
    const key = logKey(topicId, partition);
    const log = this.#logs.get(key);
    if (log === undefined) return;
    this.#logs.delete(key);
    this.#checkpointer.forget(log);
    const { directory } = log.files;
    this.#byDirectory.delete(directory);
    const removed = this.#remove(log, directory).finally(() => this.#deleting.delete(directory));
    this.#deleting.set(directory, removed);
    await removed;
  }

  async #remove(log: JournaledLog, directory: string): Promise<void> {
    const { storage, scheduler, logger } = this.#context;
    await log.abandon();
    const doomed = doomedDirectory(directory, this.#given.random);
    await storage.rename(directory, doomed);
    await storage.syncDirectory(".");
    scheduler.after(0, () => {
      storage.removeTree(doomed).catch((error: unknown) => {
        logger.warn("deleted log not removed yet", { directory: doomed, error: String(error) });
      });
    });
  }

  flush(): Promise<void> {
    return this.#context.journal.flush();
  }

  #planRetention(): void {
    this.#context.scheduler.after(this.#options.retentionCheckMs, () => {
      if (this.#closed) return;
      this.#retain();
      this.#planRetention();
    });
  }

  #planUsage(): void {
    const { scheduler, logger } = this.#context;
    scheduler.after(USAGE_EVERY_MS, () => {
      if (this.#closed) return;
      this.#lookAtUsage()
        .catch((error: unknown) => {
          logger.debug("volume usage unknown", { error: String(error) });
        })
        .finally(() => {
          this.#planUsage();
        })
        .catch(() => undefined);
    });
  }

  #retain(): void {
    const now = this.#context.scheduler.wallNow();
    for (const log of this.#logs.values()) {
      const offset = segmentsToDrop(
        log.segments.all.map((segment) => ({
          baseOffset: segment.baseOffset,
          bytes: segment.size,
          // Without a record that has one, as compaction may leave it: as old as this process knows it to be.
          maxTimestamp: segment.maxTimestamp < 0 ? segment.createdAt : segment.maxTimestamp,
        })),
        log.config,
        log.highWatermark,
        now,
      );
      if (offset !== undefined) log.dropSegmentsBefore(offset);
      log.producers.state.expire(now - this.#options.producerExpirationMs);
    }
  }

  async #lookAtUsage(): Promise<void> {
    const { storage, room, logger } = this.#context;
    this.#usage = await storage.usage();
    const changed = room.update(this.#usage);
    if (changed) {
      const fields = { room: room.room, ...this.#usage };
      if (room.room === "short") logger.error("the volume is nearly full", fields);
      else logger.warn("room of the volume", fields);
    }
    // What may go goes before anything is refused.
    if (room.room !== "ample" && !this.#closed) this.#retain();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#cleaner.stop();
    await this.#context.journal.flush();
    this.#closed = true;
    await this.#checkpointer.close();
    for (const log of this.#logs.values()) await log.close();
    await this.#context.journal.close();
  }
}
