import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { HOUR, KIB, MIB } from "../../lib/units.ts";
import { RECENT_MS } from "./recent-writes.ts";
import type { Storage } from "./storage.ts";
import type { LogConfig } from "./types.ts";

export interface LogOptions {
  /** Memory for the newest records of all logs. */
  readonly tailBytes: number;
  readonly extentBytes: number;
  readonly journalFileBytes: number;
  /** Clients' appends wait while the journal is behind by more. */
  readonly maxUnsyncedBytes: number;
  /** Segments are written when this much is new. */
  readonly writeOutBytes: number;
  /** They are synced when this much is new: what a start after a crash has to replay. */
  readonly checkpointBytes: number;
  /** And at least this often while something is new. */
  readonly checkpointMs: number;
  /** What all logs together may have beyond their saved producer states, about: what a start after a crash reads for them. */
  readonly producerSnapshotBytes: number;
  /** forebay.volume.reserve.bytes */
  readonly reserveBytes: number;
  /** forebay.trust.written.ms */
  readonly trustWrittenMs: number;
  /** log.retention.check.interval.ms */
  readonly retentionCheckMs: number;
  /** producer.id.expiration.ms */
  readonly producerExpirationMs: number;
  /** log.cleaner.enable */
  readonly cleanerEnabled: boolean;
  /** log.cleaner.backoff.ms */
  readonly cleanerBackoffMs: number;
  /** log.cleaner.dedupe.buffer.size */
  readonly cleanerDedupeBytes: number;
  /** log.cleaner.io.buffer.size */
  readonly cleanerBufferBytes: number;
  /** log.cleaner.io.max.bytes.per.second: read and written */
  readonly cleanerBytesPerSecond: number;
}

export const DEFAULT_LOG_OPTIONS: LogOptions = {
  tailBytes: 64 * MIB,
  extentBytes: MIB,
  journalFileBytes: 64 * MIB,
  maxUnsyncedBytes: 16 * MIB,
  writeOutBytes: 8 * MIB,
  checkpointBytes: 64 * MIB,
  checkpointMs: 10_000,
  producerSnapshotBytes: 256 * MIB,
  reserveBytes: 1024 * MIB,
  trustWrittenMs: RECENT_MS,
  retentionCheckMs: 300_000,
  producerExpirationMs: 24 * HOUR,
  cleanerEnabled: true,
  cleanerBackoffMs: 15_000,
  cleanerDedupeBytes: 32 * MIB,
  cleanerBufferBytes: 512 * KIB,
  cleanerBytesPerSecond: Infinity,
};

export interface LogManagerOptions {
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly panic: (error: unknown) => never;
  readonly options?: Partial<LogOptions>;
  /** Whether to give up waiting for room on a full volume. */
  readonly stopped?: () => boolean;
}

/** Of a log until its topic's own configuration is known. */
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
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 24 * HOUR,
  fileDeleteDelayMs: 60_000,
  durability: "synced",
};
