import { present } from "../../lib/assert.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { HOUR, MIB } from "../../lib/units.ts";
import { Arena } from "./arena.ts";
import { Journal } from "./journal.ts";
import { EntryKind, type Entry } from "./journal-format.ts";
import { LeaderEpochCache } from "./leader-epoch-cache.ts";
import { JournaledLog, type LogContext } from "./partition-log.ts";
import { ProducerState } from "./producer-state.ts";
import { segmentsToDrop } from "./retention.ts";
import { Segment } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import { type Storage, StorageError } from "./storage.ts";
import type { LogConfig, LogIdentity, LogManager, PartitionLog } from "./types.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "./checkpoints.ts";

export interface LogOptions {
  /** Memory for the newest records of all logs. */
  readonly tailBytes: number;
  readonly extentBytes: number;
  readonly journalFileBytes: number;
  /** Segments are written and synced at least this often while something is new. */
  readonly checkpointMs: number;
  /** And when this much is new. */
  readonly checkpointBytes: number;
  /** A log's producer state is saved after this much was appended to it. */
  readonly producerSnapshotBytes: number;
  /** log.retention.check.interval.ms */
  readonly retentionCheckMs: number;
  /** producer.id.expiration.ms */
  readonly producerExpirationMs: number;
}

export const DEFAULT_LOG_OPTIONS: LogOptions = {
  tailBytes: 64 * MIB,
  extentBytes: MIB,
  journalFileBytes: 64 * MIB,
  checkpointMs: 1000,
  checkpointBytes: 16 * MIB,
  producerSnapshotBytes: 4 * MIB,
  retentionCheckMs: 300_000,
  producerExpirationMs: 24 * HOUR,
};

export interface LogManagerOptions {
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly panic: (error: unknown) => never;
  readonly options?: Partial<LogOptions>;
}

const META = "meta.properties";
const CHECKPOINT = "forebay-checkpoint";

/** Recovers the volume and opens its logs. Rejects with StorageError when the volume cannot be read. */
export async function openLogManager(options: LogManagerOptions): Promise<LogManager> {
  const manager = new JournaledLogManager(options);
  await manager.recover();
  return manager;
}

class JournaledLogManager implements LogManager {
  readonly #storage: Storage;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #panic: (error: unknown) => never;
  readonly #options: LogOptions;
  readonly #arena: Arena;
  readonly #logs = new Map<string, JournaledLog>();
  #context: LogContext | undefined;
  #storageId = "";
  #storageGeneration = 0;
  #unwritten = new Set<JournaledLog>();
  #checkpointing: Promise<void> | undefined;
  #checkpointPlanned = false;
  #saved: Checkpoint = { journalPosition: 0, logs: new Map() };
  #savedAt = 0;
  #usage = { freeBytes: 0, capacityBytes: 0 };
  #recovered = false;
  /** Logs whose files end before their recovery point: right only if the journal says that they were cut. */
  readonly #short = new Map<string, number>();
  #closed = false;

  constructor({ storage, scheduler, random, logger, panic, options }: LogManagerOptions) {
    this.#storage = storage;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#logger = logger;
    this.#panic = panic;
    this.#options = { ...DEFAULT_LOG_OPTIONS, ...options };
    this.#arena = new Arena({
      budgetBytes: this.#options.tailBytes,
      extentBytes: this.#options.extentBytes,
    });
  }

  get logs(): Iterable<PartitionLog> {
    return this.#logs.values();
  }
  get storageId(): string {
    return this.#storageId;
  }
  get storageGeneration(): number {
    return this.#storageGeneration;
  }
  get usage(): { freeBytes: number; capacityBytes: number } {
    return this.#usage;
  }

  get(topicId: string, partition: number): JournaledLog | undefined {
    return this.#logs.get(keyOf(topicId, partition));
  }

  async recover(): Promise<void> {
    await this.#readMeta();
    const startedAt = this.#scheduler.now();
    this.#saved = decodeCheckpoint(await this.#storage.readFile(CHECKPOINT));
    const directories = await this.#logDirectories();
    let entries = 0;
    const found: { directory: string; identity: LogIdentity }[] = [];
    for (const directory of directories) {
      const identity = await readIdentity(this.#storage, directory);
      if (identity === undefined) {
        this.#logger.warn("folder without partition metadata is left alone", { directory });
      } else found.push({ directory, identity });
    }
    const opened: { journal?: Journal } = {};
    this.#context = {
      storage: this.#storage,
      scheduler: this.#scheduler,
      logger: this.#logger,
      arena: this.#arena,
      get journal() {
        return present(opened.journal, "the journal is open once it was replayed");
      },
      replaying: () => opened.journal === undefined,
      panic: this.#panic,
      onUnwritten: (log) => {
        this.#noteUnwritten(log);
      },
    };
    for (const { directory, identity } of found) {
      const log = await this.#load(directory, identity, this.#context);
      this.#logs.set(keyOf(identity.topicId, identity.partition), log);
    }
    opened.journal = await Journal.open(
      {
        storage: this.#storage,
        scheduler: this.#scheduler,
        logger: this.#logger,
        arena: this.#arena,
        fileBytes: this.#options.journalFileBytes,
        panic: this.#panic,
      },
      this.#saved.journalPosition,
      async (entry) => {
        entries++;
        await this.#replay(entry);
      },
    );
    for (const [log, recoveryPoint] of this.#short) {
      throw new StorageError(
        "EIO",
        `segments of ${log} end before ${recoveryPoint}, which was synced`,
      );
    }
    await this.#lookAtUsage();
    // What was replayed is in the segments: once they are synced the journal may forget it.
    this.#recovered = true;
    await this.#checkpoint();
    for (const log of this.#logs.values()) await log.rebuildProducers(log.logEndOffset);
    this.#logger.info("logs recovered", {
      logs: this.#logs.size,
      entries,
      tookMs: Math.round(this.#scheduler.now() - startedAt),
    });
    this.#scheduler.after(this.#options.retentionCheckMs, () => {
      this.#retain();
    });
  }

  async #readMeta(): Promise<void> {
    const text = await this.#storage.readFile(META);
    const values = new Map(
      Buffer.from(text ?? new Uint8Array(0))
        .toString()
        .split("\n")
        .map((line) => line.split("=", 2) as [string, string]),
    );
    this.#storageId = values.get("storage.id") ?? Buffer.from(this.#random.uuid()).toString("hex");
    this.#storageGeneration = Number(values.get("storage.generation") ?? 0) + 1;
    const lines = [
      "version=1",
      `storage.id=${this.#storageId}`,
      `storage.generation=${String(this.#storageGeneration)}`,
    ];
    await this.#storage.makeDirectory(".");
    await this.#storage.writeFileAtomic(META, Buffer.from(`${lines.join("\n")}\n`));
  }

  async #logDirectories(): Promise<string[]> {
    const names: string[] = [];
    for (const name of await this.#storage.list(".")) {
      if (name.endsWith("-delete")) await this.#storage.removeTree(name);
      else if (/-\d+$/.test(name)) names.push(name);
    }
    return names;
  }

  /** Opens a log as of the last checkpoint: what its files hold beyond that is not trusted, the journal has it. */
  async #load(
    directory: string,
    identity: LogIdentity,
    context: LogContext,
  ): Promise<JournaledLog> {
    const saved = this.#saved.logs.get(keyOf(identity.topicId, identity.partition));
    const recoveryPoint = saved?.recoveryPoint ?? 0;
    const now = this.#scheduler.wallNow();
    const segments: Segment[] = [];
    for (const name of await this.#storage.list(directory)) {
      if (!name.endsWith(".log")) continue;
      const baseOffset = Number(name.slice(0, -4));
      const file = await this.#storage.open(`${directory}/${name}`, "existing");
      const segment = new Segment(this.#storage, directory, baseOffset, file.size, now);
      await file.close();
      // Begun after the checkpoint.
      if (baseOffset >= recoveryPoint && baseOffset > (saved?.logStartOffset ?? 0)) {
        await segment.remove();
        // Back after another crash it would stand beside what the journal is about to put in its place.
        await this.#storage.syncDirectory(directory);
      } else segments.push(segment);
    }
    if (segments.length === 0) {
      segments.push(new Segment(this.#storage, directory, saved?.logStartOffset ?? 0, 0, now));
    }
    const list = new SegmentList(this.#storage, directory, segments);
    // Deleted by retention, and back because their names' removal was not synced.
    for (const segment of list.dropBefore(saved?.logStartOffset ?? 0)) await segment.remove();
    for (const segment of list.all) await segment.adopt(4096);
    // After a clean stop nothing is beyond the recovery point, and this reads only the end of the active segment.
    let end = list.active.baseOffset;
    let beyond = false;
    const position = await list.active.scan(
      await list.active.positionFor(recoveryPoint - 1),
      (batch) => {
        if (batch.lastOffset >= recoveryPoint) beyond = true;
        else end = batch.lastOffset + 1;
        return !beyond;
      },
    );
    if (beyond || position < list.active.written) await list.active.truncate(position, 4096);
    if (end < recoveryPoint)
      this.#short.set(keyOf(identity.topicId, identity.partition), recoveryPoint);
    const epochs = LeaderEpochCache.decode(
      await this.#storage.readFile(`${directory}/leader-epoch-checkpoint`),
    );
    epochs.truncateFromEnd(end);
    return new JournaledLog({
      identity,
      directory,
      topicIdBytes: uuidBytes(identity.topicId),
      config: DEFAULT_LOG_CONFIG,
      context,
      segments: list,
      epochs,
      producers: new ProducerState(),
      logStartOffset: Math.max(saved?.logStartOffset ?? 0, list.firstOffset),
      logEndOffset: end,
      highWatermark: saved?.highWatermark ?? 0,
    });
  }

  /** Applies one entry to its log; all of it was applied before to the state that this one was recovered to. */
  async #replay(entry: Entry): Promise<void> {
    const log = this.#logs.get(keyOf(uuidText(entry.topicId), entry.partition));
    // The log was deleted after the entry was written.
    if (log === undefined) return;
    switch (entry.kind) {
      case EntryKind.append:
        if (entry.offset >= log.logEndOffset) await log.replayAppend(entry.payload);
        return;
      case EntryKind.truncate:
        this.#short.delete(keyOf(uuidText(entry.topicId), entry.partition));
        if (entry.offset < log.logEndOffset)
          await log.truncateTo(Math.max(entry.offset, log.logStartOffset));
        return;
      case EntryKind.startAt:
        this.#short.delete(keyOf(uuidText(entry.topicId), entry.partition));
        await log.truncateFullyAndStartAt(entry.offset);
        return;
      case EntryKind.epoch:
        log.assignEpoch(
          new DataView(entry.payload.buffer, entry.payload.byteOffset).getInt32(0),
          entry.offset,
        );
        return;
      case EntryKind.logStart:
        log.raiseLogStart(Math.min(entry.offset, log.logEndOffset));
    }
  }

  async open(identity: LogIdentity, config: LogConfig): Promise<PartitionLog> {
    const key = keyOf(identity.topicId, identity.partition);
    const existing = this.#logs.get(key);
    if (existing !== undefined) {
      existing.config = config;
      return existing;
    }
    const context = this.#context;
    if (context === undefined || this.#closed)
      throw new StorageError("EIO", "the volume is closed");
    const directory = `${identity.topic}-${String(identity.partition)}`;
    const other = await readIdentity(this.#storage, directory);
    if (other !== undefined) await this.delete(other.topicId, other.partition);
    await this.#storage.makeDirectory(directory);
    const metadata = `version: 0\ntopic_id: ${identity.topicId}\n`;
    await this.#storage.writeFileAtomic(`${directory}/partition.metadata`, Buffer.from(metadata));
    await this.#storage.syncDirectory(".");
    const segment = new Segment(this.#storage, directory, 0, 0, this.#scheduler.wallNow());
    const log = new JournaledLog({
      identity,
      directory,
      topicIdBytes: uuidBytes(identity.topicId),
      config,
      context,
      segments: new SegmentList(this.#storage, directory, [segment]),
      epochs: new LeaderEpochCache(),
      producers: new ProducerState(),
      logStartOffset: 0,
      logEndOffset: 0,
      highWatermark: 0,
    });
    this.#logs.set(key, log);
    return log;
  }

  async delete(topicId: string, partition: number): Promise<void> {
    const key = keyOf(topicId, partition);
    const log = this.#logs.get(key);
    if (log === undefined) return;
    this.#logs.delete(key);
    this.#unwritten.delete(log);
    await log.abandon();
    const doomed = `${log.directory}.${Buffer.from(this.#random.uuid()).toString("hex")}-delete`;
    await this.#storage.rename(log.directory, doomed);
    await this.#storage.syncDirectory(".");
    this.#scheduler.after(0, () => {
      this.#storage.removeTree(doomed).catch((error: unknown) => {
        this.#logger.warn("deleted log not removed yet", {
          directory: doomed,
          error: String(error),
        });
      });
    });
  }

  flush(): Promise<void> {
    return this.#context?.journal.flush() ?? Promise.resolve();
  }

  #noteUnwritten(log: JournaledLog): void {
    this.#unwritten.add(log);
    const context = this.#context;
    if (context === undefined || !this.#recovered) return;
    if (this.#closed || this.#checkpointing !== undefined) return;
    if (context.journal.position - this.#savedAt >= this.#options.checkpointBytes) {
      this.#runCheckpoint();
    } else if (!this.#checkpointPlanned) {
      this.#checkpointPlanned = true;
      this.#scheduler.after(this.#options.checkpointMs, () => {
        this.#checkpointPlanned = false;
        if (!this.#closed && this.#checkpointing === undefined) this.#runCheckpoint();
      });
    }
  }

  #runCheckpoint(): void {
    this.#checkpointing = this.#checkpoint()
      .catch((error: unknown) => {
        if (this.#closed) return;
        // A full volume is waited for; the journal holds what could not be written.
        if (!(error instanceof StorageError) || error.code !== "ENOSPC") this.#panic(error);
        this.#logger.error("segments not written: the volume is full");
      })
      .finally(() => {
        this.#checkpointing = undefined;
        const [log] = this.#unwritten;
        if (log !== undefined && !this.#closed) this.#noteUnwritten(log);
      });
  }

  /** Brings the segments up to now and lets the journal forget what came before. */
  async #checkpoint(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    const journalPosition = context.journal.position;
    const logs = [...this.#unwritten];
    this.#unwritten = new Set();
    this.#savedAt = journalPosition;
    const safe = new Map<JournaledLog, number | undefined>();
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
    const saved = new Map<
      string,
      { recoveryPoint: number; logStartOffset: number; highWatermark: number }
    >();
    for (const [key, log] of this.#logs) {
      const before = this.#saved.logs.get(key)?.recoveryPoint ?? 0;
      saved.set(key, {
        recoveryPoint: Math.min(safe.get(log) ?? before, log.writtenOffset),
        logStartOffset: log.logStartOffset,
        highWatermark: Math.min(log.highWatermark, log.stableOffset),
      });
    }
    this.#saved = { journalPosition, logs: saved };
    await this.#storage.writeFileAtomic(CHECKPOINT, encodeCheckpoint(this.#saved));
    await context.journal.freeBefore(journalPosition);
  }

  #retain(): void {
    if (this.#closed) return;
    const now = this.#scheduler.wallNow();
    for (const log of this.#logs.values()) {
      const offset = segmentsToDrop(
        log.segments.all.map((segment) => ({
          baseOffset: segment.baseOffset,
          bytes: segment.size,
          maxTimestamp: segment.maxTimestamp,
        })),
        log.config,
        log.highWatermark,
        now,
      );
      if (offset !== undefined) log.dropSegmentsBefore(offset);
      log.producers.expire(now - this.#options.producerExpirationMs);
    }
    this.#lookAtUsage().catch((error: unknown) => {
      this.#logger.warn("volume usage unknown", { error: String(error) });
    });
    this.#scheduler.after(this.#options.retentionCheckMs, () => {
      this.#retain();
    });
  }

  async #lookAtUsage(): Promise<void> {
    this.#usage = await this.#storage.usage();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#context?.journal.flush();
    this.#closed = true;
    await this.#checkpointing;
    for (const log of this.#logs.values()) log.bytesSinceSnapshot = Infinity;
    for (const log of this.#logs.values()) this.#unwritten.add(log);
    await this.#checkpoint();
    for (const log of this.#logs.values()) await log.close();
    await this.#context?.journal.close();
  }
}

/** Until its topic's own configuration is known. */
export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * MIB,
  segmentMs: 7 * 24 * HOUR,
  retentionBytes: -1,
  retentionMs: -1,
  indexIntervalBytes: 4096,
  maxIndexBytes: 10 * MIB,
  maxMessageBytes: MIB + 12,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: HOUR,
  compact: false,
  delete: true,
  fileDeleteDelayMs: 60_000,
  durability: "synced",
};

async function readIdentity(storage: Storage, directory: string): Promise<LogIdentity | undefined> {
  const content = await storage.readFile(`${directory}/partition.metadata`);
  const topicId = /topic_id: ([0-9a-f-]{36})/.exec(
    Buffer.from(content ?? new Uint8Array(0)).toString(),
  )?.[1];
  const match = /^(.+)-(\d+)$/.exec(directory);
  if (topicId === undefined || match?.[1] === undefined) return undefined;
  return { topic: match[1], topicId, partition: Number(match[2]) };
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${String(partition)}`;
}

function uuidBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll("-", ""), "hex"));
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
