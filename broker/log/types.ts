import type { DamagedError, DamagedPlace } from "./damage.ts";
import type { Room } from "./volume-room.ts";
import type { Gate } from "../../lib/gate.ts";
import type { Bytes, EpochMillis, Millis } from "../../lib/units.ts";

/** A position in a partition's log. */
export type Offset = number;

/** What identifies one replica's log on disk: the folder is `<topic>-<partition>`, its metadata holds the id. */
export interface LogIdentity {
  readonly topic: string;
  /** Topic id as a lower-case UUID string with dashes. */
  readonly topicId: string;
  readonly partition: number;
}

/** The part of a topic's configuration that its logs obey; Kafka's names in the comments. */
export interface LogConfig {
  /** segment.bytes */
  readonly segmentBytes: Bytes;
  /** segment.ms */
  readonly segmentMs: Millis;
  /** retention.bytes; -1: without limit */
  readonly retentionBytes: Bytes;
  /** retention.ms; -1: without limit */
  readonly retentionMs: Millis;
  /** index.interval.bytes */
  readonly indexIntervalBytes: Bytes;
  /** segment.index.bytes */
  readonly maxIndexBytes: Bytes;
  /** max.message.bytes: bound of one batch as stored */
  readonly maxMessageBytes: Bytes;
  /** message.timestamp.type */
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** message.timestamp.before.max.ms and .after.max.ms */
  readonly timestampBeforeMaxMs: Millis;
  readonly timestampAfterMaxMs: Millis;
  /** cleanup.policy contains compact / delete */
  readonly compact: boolean;
  readonly delete: boolean;
  /** min.cleanable.dirty.ratio */
  readonly minCleanableDirtyRatio: number;
  /** min.compaction.lag.ms and max.compaction.lag.ms */
  readonly minCompactionLagMs: Millis;
  readonly maxCompactionLagMs: Millis;
  /** delete.retention.ms: how long a tombstone stays once it was compacted */
  readonly deleteRetentionMs: Millis;
  /** file.delete.delay.ms */
  readonly fileDeleteDelayMs: Millis;
  /** forebay.durability: `synced` waits for stable storage before a record counts, `replicated` does not. */
  readonly durability: "synced" | "replicated";
}

/** The result of an append: the offsets it got, or those a duplicate had got (KIP-98). */
export interface AppendResult {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  /** The record batch was a repeat: nothing was appended. */
  readonly duplicate: boolean;
  /** LogAppendTime, or -1. */
  readonly logAppendTime: EpochMillis;
}

/** Records read for a fetch: `parts` are whole batches, the first may begin before the offset asked for. */
export interface LogRead {
  readonly parts: readonly Uint8Array[];
  readonly bytes: Bytes;
  /** Call once when the parts are no longer needed (their memory may then be reused). */
  readonly release: () => void;
}

/** The epoch and end offset that a follower compares its log with (KIP-101, KIP-279). */
export interface EpochEnd {
  readonly leaderEpoch: number;
  readonly endOffset: Offset;
}

/** One replica's log. Appends are synchronous in memory and become stable at the journal's next sync. */
export interface PartitionLog {
  readonly identity: LogIdentity;
  config: LogConfig;
  readonly logStartOffset: Offset;
  /** Next offset to be given. */
  readonly logEndOffset: Offset;
  /** All records before it are on stable storage (or count as such under `replicated` durability). */
  readonly stableOffset: Offset;
  /** Newest epoch that has begun in this log, with or without records; -1 when there is none. */
  readonly latestEpoch: number;
  /** Epoch of the newest record that is there, -1 when there is none: what a follower says of itself (KIP-320). */
  readonly lastRecordEpoch: number;
  readonly sizeBytes: Bytes;

  /**
   * Appends record batches as a leader: checks them (magic, length, CRC-32C, count, timestamps, producer sequence), gives
   * offsets, stamps the leader epoch. `records` is copied before the call returns. Throws ProtocolError
   * (CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, …).
   * @param origin "client" refuses control batches and more than one batch; "coordinator" may write them.
   */
  appendAsLeader(
    records: Uint8Array,
    leaderEpoch: number,
    origin: "client" | "coordinator",
  ): AppendResult;

  /** Appends a leader's batches as they are; they must start at logEndOffset. `records` is copied. */
  appendAsFollower(records: Uint8Array): { readonly lastOffset: Offset };

  /**
   * Whole batches from the one that contains `offset`, up to `maxBytes` but at least one batch if `minOneBatch`, none that
   * begins at or after `upTo`. Answers at once when the bytes are in the tail cache. Throws OFFSET_OUT_OF_RANGE
   * outside [logStartOffset, logEndOffset].
   */
  read(
    offset: Offset,
    maxBytes: Bytes,
    upTo: Offset,
    minOneBatch: boolean,
  ): LogRead | Promise<LogRead>;

  /** Whether `read` answers from memory, at once and without taking any. */
  inMemory(offset: Offset): boolean;

  /**
   * Drops everything from `offset` on; resolved when a crash cannot bring it back. Damage below that hides where to cut is
   * reported by `onDamage`, and waited for until it is repaired: `held`.
   */
  truncateTo(offset: Offset): Promise<void>;
  /** Drops everything and starts again at `offset` (a follower that is behind the leader's log start). */
  truncateFullyAndStartAt(offset: Offset): Promise<void>;
  /** DeleteRecords and the leader's log start on followers; frees whole segments. Never above `logEndOffset`. */
  raiseLogStart(offset: Offset): void;

  /** Leader epoch checkpoint: records that `leaderEpoch` begins at `startOffset` (KIP-101). */
  assignEpoch(leaderEpoch: number, startOffset: Offset): void;
  /** Largest known epoch at or below `leaderEpoch` and where it ends; epoch -1, offset -1 when unknown (KIP-279). */
  endOfEpoch(leaderEpoch: number): EpochEnd;

  /** First offset whose timestamp is at or after `timestamp`, at or above log start. */
  offsetForTimestamp(
    timestamp: EpochMillis,
  ): Promise<
    | { readonly offset: Offset; readonly timestamp: EpochMillis; readonly leaderEpoch: number }
    | undefined
  >;
  /** The record with the largest timestamp (ListOffsets -3). */
  offsetOfMaxTimestamp(): Promise<
    | { readonly offset: Offset; readonly timestamp: EpochMillis; readonly leaderEpoch: number }
    | undefined
  >;

  /** The high watermark, told to the log for retention, checkpoints and compaction; never below logStartOffset. */
  highWatermark: Offset;
  /** Active producers, for DescribeProducers. */
  activeProducers(): readonly {
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly lastSequence: number;
    readonly lastTimestamp: EpochMillis;
    readonly coordinatorEpoch: number;
    readonly currentTxnStartOffset: Offset;
  }[];
  /** Called (in a later turn than the append) each time `stableOffset` grew. One listener. */
  onStable: (() => void) | undefined;
  /** Called when a read has come upon a damaged place; it is refused. */
  onDamage: ((error: DamagedError) => void) | undefined;
  /** Damage holds up a truncation, or what is known of producers: nothing is taken until it is repaired. */
  readonly held: boolean;
  /** It is a truncation that is held up. */
  readonly uncut: boolean;
  /**
   * Puts a batch of another replica in the place of a damaged one. @returns false when it is not that batch, or does not fit
   */
  repair(place: DamagedPlace, batch: Uint8Array): Promise<boolean>;
}

/** What compaction has done, and what it has before it. */
export interface CompactionStats {
  /** Parts of logs that were compacted to their end. */
  readonly runs: number;
  readonly bytesRead: Bytes;
  readonly bytesWritten: Bytes;
  readonly recordsRemoved: number;
  /** The largest dirty ratio of any log at the last look. */
  readonly maxDirtyRatio: number;
  /** Logs left alone for damage. */
  readonly uncleanable: number;
}

/** All logs of a broker on one volume, with their journal, checkpoints and background work. */
export interface LogManager {
  /** Logs found on the volume at start. */
  readonly logs: Iterable<PartitionLog>;
  /** The volume's own identity (meta.properties): made on an empty one, `generation` grew by one at this start. */
  readonly storageId: string;
  readonly storageGeneration: number;
  get(topicId: string, partition: number): PartitionLog | undefined;
  /** The log, created empty if there is none. High watermark and log start come from the checkpoints. */
  open(identity: LogIdentity, config: LogConfig): Promise<PartitionLog>;
  /** Forgets the log at once, removes its folder in the background (renamed first, so a crash cannot revive it). */
  delete(topicId: string, partition: number): Promise<void>;
  /** Resolves when everything appended so far is stable. */
  flush(): Promise<void>;
  /** Open while clients' appends may come: the volume keeps up with them. */
  readonly intake: Gate;
  /** Memory of newest records, bounded, and that which readers hold of what was given up of it. */
  readonly memory: { readonly tailBytes: Bytes; readonly heldBytes: Bytes };
  /** Free and total bytes of the volume, as last looked at. */
  /** What is left of the volume, as last looked at. */
  readonly room: Room;
  readonly usage: { readonly freeBytes: Bytes; readonly capacityBytes: Bytes };
  /** What compaction has done and has before it. */
  readonly compaction: CompactionStats;
  /** Logs that take nothing until damage in them is repaired; while a truncation is held up, the journal only grows. */
  readonly held: { readonly logs: number; readonly uncut: number };
  /** Writes segments and checkpoints out and closes everything: the next start has nothing to recover. */
  close(): Promise<void>;
}
