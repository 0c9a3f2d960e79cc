import assert from "node:assert/strict";
import type { DamagedError } from "../../broker/log/damage.ts";
import {
  DEFAULT_LOG_CONFIG,
  type LogOptions,
  openLogManager,
} from "../../broker/log/log-manager.ts";
import type { Storage, StorageFile } from "../../broker/log/storage.ts";
import type { LogIdentity, LogManager, PartitionLog } from "../../broker/log/types.ts";
import { type BatchHeader, iterateBatches } from "../../broker/protocol/record-batch.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import { type Random, seededRandom } from "../../lib/random.ts";
import { type Bytes, HOUR, KIB, MIB, type Millis } from "../../lib/units.ts";
import { MemoryStorage, type MemoryStorageOptions } from "./memory-storage.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

/** The first partition of the topic `t`, whose folder is `t-0`. */
export const LOG: LogIdentity = {
  topic: "t",
  topicId: "11111111-1111-4111-8111-111111111111",
  partition: 0,
};

/** What is appended is in the journal only, for as long as a test takes. */
export const NO_CHECKPOINT = { checkpointMs: HOUR, checkpointBytes: 1024 * MIB } as const;

/** Memory and files of the journal that few records fill. */
export const SMALL = {
  tailBytes: 64 * KIB,
  extentBytes: 8 * KIB,
  journalFileBytes: 32 * KIB,
} as const;

const LOOK_MS: Millis = 10;

export interface LogVolumeOptions {
  /** Of the volume in memory. */
  readonly storage?: Omit<MemoryStorageOptions, "scheduler">;
  /** Of each start that does not say otherwise. */
  readonly options?: Partial<LogOptions>;
  readonly logger?: Logger;
  /** What each start sees of the volume; default: the volume. */
  readonly through?: (storage: Storage) => Storage;
}

/** A broker's volume in memory, whose logs are opened again and again on virtual time. */
export class LogVolume {
  readonly scheduler = new VirtualScheduler();
  readonly storage: MemoryStorage;
  readonly #given: LogVolumeOptions;
  /** One for all starts: what a later one makes has another name. */
  readonly #random = seededRandom(1);

  constructor(given: LogVolumeOptions = {}) {
    this.#given = given;
    this.storage = new MemoryStorage({ scheduler: this.scheduler, ...given.storage });
  }

  /** Starts the logs on the volume, after a stop, a crash or neither. */
  open(options: Partial<LogOptions> = {}): Promise<LogManager> {
    return this.scheduler.until(this.opening(options));
  }

  /** The same, for who lets time pass. */
  opening(options: Partial<LogOptions> = {}): Promise<LogManager> {
    const { logger = silentLogger, through = (storage: Storage) => storage } = this.#given;
    return openLogManager({
      storage: through(this.storage.mount()),
      scheduler: this.scheduler,
      random: this.#random,
      logger,
      panic: (error) => {
        throw error;
      },
      options: { ...this.#given.options, ...options },
    });
  }

  openLog(manager: LogManager, config = DEFAULT_LOG_CONFIG, partition = 0): Promise<PartitionLog> {
    return this.scheduler.until(manager.open({ ...LOG, partition }, config));
  }

  /** What one read is given, at most `maxBytes` of what is before `end` unless a batch is larger. */
  async read(log: PartitionLog, from: number, maxBytes = MIB, end = Infinity): Promise<Buffer> {
    const given = await this.scheduler.until(Promise.resolve(log.read(from, maxBytes, end, true)));
    const bytes = Buffer.concat(given.parts);
    assert.equal(bytes.length, given.bytes);
    given.release();
    return bytes;
  }

  /** All that a log holds, read `maxBytes` at a time; up to a read that is given nothing. */
  async batches(
    log: PartitionLog,
    maxBytes: Bytes = MIB,
  ): Promise<{ readonly header: BatchHeader; readonly bytes: Buffer }[]> {
    const found: { readonly header: BatchHeader; readonly bytes: Buffer }[] = [];
    for (let offset = log.logStartOffset; offset < log.logEndOffset;) {
      const read = await this.read(log, offset, maxBytes);
      if (read.length === 0) break;
      for (const header of iterateBatches(read)) {
        const bytes = read.subarray(header.position, header.position + header.size);
        found.push({ header, bytes });
        offset = header.lastOffset + 1;
      }
    }
    return found;
  }

  /** Changes a file behind the broker's back; it is on stable storage then. */
  async edit(path: string, change: (file: StorageFile) => Promise<void>): Promise<void> {
    const file = await this.scheduler.until(this.storage.mount().open(path, "existing"));
    await this.scheduler.until(change(file));
    await this.scheduler.until(file.sync());
    await this.scheduler.until(file.close());
  }

  /** Lets time pass until something holds, which must be within `limitMs`. */
  async until(holds: () => boolean, limitMs: Millis): Promise<void> {
    for (let waited = 0; waited < limitMs && !holds(); waited += LOOK_MS) {
      await this.scheduler.advance(LOOK_MS);
    }
    assert(holds(), `not within ${limitMs} ms`);
  }
}

/**
 * A volume of small bounds, which chance makes slow: an operation takes up to two milliseconds, and the journal is
 * written in blocks of a byte or of a sector.
 */
export function unsteadyVolume(random: Random, options: Partial<LogOptions>): LogVolume {
  return new LogVolume({
    storage: { delay: () => random.below(3), journalBlockBytes: random.below(2) === 0 ? 1 : 512 },
    options: {
      ...SMALL,
      writeOutBytes: 4 * KIB,
      checkpointBytes: 16 * KIB,
      producerSnapshotBytes: 8 * KIB,
      ...options,
    },
  });
}

/** Appends batches of the numbers from 0 on, as a client of the leader in epoch 0. */
export function appendBatches(
  log: PartitionLog,
  count: number,
  batch: (number: number) => Uint8Array,
): void {
  for (let number = 0; number < count; number++) log.appendAsLeader(batch(number), 0, "client");
}

/** @returns what the log reports of damage from now on, as it comes */
export function reportsOf(log: PartitionLog): DamagedError[] {
  const found: DamagedError[] = [];
  log.onDamage = (error) => {
    found.push(error);
  };
  return found;
}
