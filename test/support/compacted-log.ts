import { DEFAULT_LOG_CONFIG, type LogOptions } from "../../broker/log/log-manager.ts";
import type { LogConfig, LogManager, PartitionLog } from "../../broker/log/types.ts";
import { batchAt, buildBatch, readRecords } from "../../broker/protocol/record-batch.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import { LogVolume, SMALL } from "./log-volume.ts";

export interface CompactedVolumeOptions {
  readonly config?: Partial<LogConfig>;
  readonly options?: Partial<LogOptions>;
  readonly logger?: Logger;
  /** Of each operation on the volume. */
  readonly delayMs?: number;
}

/** A broker's volume with compacted logs of small segments; the cleaner looks every 10 ms of virtual time. */
export class CompactedVolume extends LogVolume {
  manager!: LogManager;
  readonly #config: LogConfig;

  private constructor({ config, options, logger = silentLogger, delayMs }: CompactedVolumeOptions) {
    super({
      logger,
      storage: delayMs === undefined ? {} : { delay: () => delayMs },
      options: {
        ...SMALL,
        checkpointMs: 20,
        cleanerBackoffMs: 10,
        cleanerBufferBytes: 512,
        ...options,
      },
    });
    this.#config = {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes: 1000,
      indexIntervalBytes: 200,
      compact: true,
      delete: false,
      ...config,
    };
  }

  static async opened(options: CompactedVolumeOptions = {}): Promise<CompactedVolume> {
    const volume = new CompactedVolume(options);
    await volume.reopen();
    return volume;
  }

  /** Starts the broker's logs on the volume, after a crash or a stop. */
  async reopen(options: Partial<LogOptions> = {}): Promise<void> {
    this.manager = await this.open(options);
  }

  log(partition = 0): Promise<PartitionLog> {
    return this.openLog(this.manager, this.#config, partition);
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

  /** `offset:key=value` of each record. */
  async records(log: PartitionLog): Promise<string[]> {
    const text: string[] = [];
    for (const { bytes } of await this.batches(log)) {
      for (const { offset, key, value } of readRecords(bytes, batchAt(bytes, 0))) {
        const shown = value === null ? "" : `=${Buffer.from(value).toString().trimEnd()}`;
        text.push(`${offset}:${Buffer.from(key ?? []).toString()}${shown}`);
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
