import { DEFAULT_LOG_CONFIG, openLogManager } from "../../broker/log/log-manager.ts";
import type { LogOptions } from "../../broker/log/log-manager.ts";
import type { LogConfig, LogManager, PartitionLog } from "../../broker/log/types.ts";
import {
  type BatchHeader,
  buildBatch,
  iterateBatches,
  readRecords,
} from "../../broker/protocol/record-batch.ts";
import { seededRandom } from "../../lib/random.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

/** A broker's volume with compacted logs of small segments; the cleaner looks every 10 ms of virtual time. */
export class CompactedVolume {
  readonly scheduler = new VirtualScheduler();
  readonly storage: MemoryStorage;
  manager!: LogManager;
  readonly #config: LogConfig;
  readonly #options: Partial<LogOptions>;
  readonly #logger: Logger;

  private constructor(
    config: Partial<LogConfig>,
    options: Partial<LogOptions>,
    logger: Logger,
    delayMs: number | undefined,
  ) {
    this.#config = {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes: 1000,
      indexIntervalBytes: 200,
      compact: true,
      delete: false,
      ...config,
    };
    this.#options = options;
    this.#logger = logger;
    const { scheduler } = this;
    this.storage = new MemoryStorage(
      delayMs === undefined ? {} : { scheduler, delay: () => delayMs },
    );
  }

  static async open(
    options: {
      readonly config?: Partial<LogConfig>;
      readonly options?: Partial<LogOptions>;
      readonly logger?: Logger;
      /** Of each operation on the volume. */
      readonly delayMs?: number;
    } = {},
  ): Promise<CompactedVolume> {
    const { config = {}, options: logOptions = {}, logger = silentLogger, delayMs } = options;
    const volume = new CompactedVolume(config, logOptions, logger, delayMs);
    await volume.reopen();
    return volume;
  }

  /** Starts the broker's logs on the volume, after a crash or a stop. */
  async reopen(options: Partial<LogOptions> = {}): Promise<void> {
    this.manager = await this.scheduler.until(
      openLogManager({
        storage: this.storage.mount(),
        scheduler: this.scheduler,
        random: seededRandom(1),
        logger: this.#logger,
        panic: (error) => {
          throw error;
        },
        options: {
          tailBytes: 64 * 1024,
          extentBytes: 8 * 1024,
          journalFileBytes: 32 * 1024,
          checkpointMs: 20,
          cleanerBackoffMs: 10,
          cleanerBufferBytes: 512,
          ...this.#options,
          ...options,
        },
      }),
    );
  }

  async log(partition = 0): Promise<PartitionLog> {
    const topicId = "11111111-2222-4333-8444-555555555555";
    return this.scheduler.until(
      this.manager.open({ topic: "t", topicId, partition }, this.#config),
    );
  }

  /** Appends a batch of `key` to value; a null value is a tombstone. */
  append(
    log: PartitionLog,
    records: readonly (readonly [key: string, value: string | null])[],
    compression: 0 | 1 | 2 | 3 | 4 = 0,
  ): void {
    const timestamp = this.scheduler.wallNow();
    const batch = buildBatch({
      compression,
      records: records.map(([key, value]) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp,
      })),
    });
    log.appendAsLeader(batch, 0, "client");
  }

  /** All that was appended is stable and committed. */
  async commit(...logs: readonly PartitionLog[]): Promise<void> {
    await this.scheduler.until(this.manager.flush());
    for (const log of logs) log.highWatermark = log.stableOffset;
  }

  /** The batches that `log` holds by its files alone, as after a restart. */
  async restarted(partition = 0, options: Partial<LogOptions> = {}): Promise<PartitionLog> {
    await this.scheduler.until(this.manager.close());
    await this.reopen(options);
    return this.log(partition);
  }

  async batches(log: PartitionLog): Promise<{ header: BatchHeader; bytes: Buffer }[]> {
    const found: { header: BatchHeader; bytes: Buffer }[] = [];
    for (let offset = log.logStartOffset; offset < log.logEndOffset;) {
      const read = await this.scheduler.until(
        Promise.resolve(log.read(offset, 1 << 20, Infinity, true)),
      );
      const bytes = Buffer.concat(read.parts);
      read.release();
      if (bytes.length === 0) break;
      for (const header of iterateBatches(bytes)) {
        found.push({
          header,
          bytes: bytes.subarray(header.position, header.position + header.size),
        });
        offset = header.lastOffset + 1;
      }
    }
    return found;
  }

  /** `offset:key=value` of each record. */
  async records(log: PartitionLog): Promise<string[]> {
    const text: string[] = [];
    for (const { bytes } of await this.batches(log)) {
      for (const header of iterateBatches(bytes)) {
        for (const { offset, key, value } of readRecords(bytes, header)) {
          const shown = value === null ? "" : `=${Buffer.from(value).toString().trimEnd()}`;
          text.push(`${offset}:${Buffer.from(key ?? []).toString()}${shown}`);
        }
      }
    }
    return text;
  }

  /** Names in the log's folder that end so. */
  files(ending: string, partition = 0): string[] {
    return this.storage
      .paths()
      .filter((path) => path.startsWith(`t-${partition}/`) && path.endsWith(ending))
      .map((path) => path.slice(`t-${partition}/`.length));
  }
}
