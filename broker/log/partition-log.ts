import { assert, present } from "../../lib/assert.ts";
import type { EpochMillis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import {
  batchAt,
  batchHeaderAt,
  type BatchHeader,
  crcMatches,
  stampBatch,
  stampLogAppendTime,
} from "../protocol/record-batch.ts";
import { CompactionState } from "./compaction/compaction-state.ts";
import { parseBatches, parseFollowed, requireKeys, validateBatch } from "./append-validation.ts";
import type { JournalClient } from "./journal.ts";
import { EntryKind } from "./journal-format.ts";
import type { LeaderEpochCache } from "./leader-epoch-cache.ts";
import { DamagedError, type DamagedPlace } from "./damage.ts";
import type { LogContext } from "./log-context.ts";
import { HeldWork } from "./held-work.ts";
import { LogEntries, type MarkKind } from "./log-entries.ts";
import { LogFiles, type SafeFiles, type Truncation } from "./log-files.ts";
import type { ProducerState } from "./producer-state.ts";
import type { SegmentList } from "./segment-list.ts";
import { EMPTY_READ, LogReader } from "./log-reader.ts";
import { LogProducers } from "./log-producers.ts";
import { LogTail } from "./tail.ts";
import { firstAtOrAfter, ofMaxTimestamp, type TimestampedOffset } from "./timestamp-lookup.ts";
import type {
  AppendResult,
  EpochEnd,
  LogConfig,
  LogIdentity,
  LogRead,
  Offset,
  PartitionLog,
} from "./types.ts";

/**
 * A partition's log: the newest records in the arena and the journal, all of it in segments. Its state in memory changes
 * at once; files follow in order behind it, and the journal tells what a crash took from them. All that changes its four
 * offsets is here, and what it asks its parts for.
 */
export class JournaledLog implements PartitionLog, JournalClient {
  readonly identity: LogIdentity;
  config: LogConfig;
  onStable: (() => void) | undefined;
  onDamage: ((error: DamagedError) => void) | undefined;
  readonly epochs: LeaderEpochCache;
  readonly producers: LogProducers;
  readonly files: LogFiles;
  readonly compaction: CompactionState;
  generation = 0;
  epochsDirty = false;
  readonly #context: LogContext;
  readonly #entries: LogEntries;
  readonly #tail: LogTail;
  readonly #reader: LogReader;
  /** Something was appended that is not in a segment yet. */
  readonly #onUnwritten: (log: JournaledLog) => void;
  #logStartOffset: Offset;
  #logEndOffset: Offset;
  #stableOffset: Offset;
  #highWatermark: Offset;
  readonly #work: HeldWork;

  constructor(options: {
    readonly identity: LogIdentity;
    readonly directory: string;
    readonly topicIdBytes: Uint8Array;
    readonly config: LogConfig;
    readonly context: LogContext;
    readonly segments: SegmentList;
    readonly epochs: LeaderEpochCache;
    readonly producers: ProducerState;
    readonly logStartOffset: Offset;
    readonly logEndOffset: Offset;
    /** Offset behind the last batch in the segments. */
    readonly filesEnd: Offset;
    readonly highWatermark: Offset;
    readonly cleanedOffset: Offset;
    readonly onUnwritten: (log: JournaledLog) => void;
  }) {
    const { context, directory, segments, logStartOffset, logEndOffset } = options;
    this.identity = options.identity;
    this.config = options.config;
    this.#context = context;
    this.#entries = new LogEntries(context, options.topicIdBytes, options.identity, this);
    this.#tail = new LogTail(context.arena, logEndOffset, options.filesEnd);
    this.files = new LogFiles(context, directory, segments, this.#tail);
    this.#reader = new LogReader(this.#tail, segments, context.scheduler, context.trustWrittenMs);
    segments.onDamage = (error) => {
      this.onDamage?.(error);
    };
    this.compaction = new CompactionState(options.cleanedOffset, options.filesEnd);
    this.epochs = options.epochs;
    this.producers = new LogProducers(options.producers, segments);
    this.#logStartOffset = logStartOffset;
    this.#logEndOffset = logEndOffset;
    this.#stableOffset = logEndOffset;
    this.#highWatermark = Math.max(logStartOffset, Math.min(options.highWatermark, logEndOffset));
    this.#onUnwritten = options.onUnwritten;
    this.#work = new HeldWork({
      context,
      again: () => this.files.truncateAgain(this.#truncation()),
      onDamage: (error) => this.onDamage?.(error),
      generation: () => this.generation,
      closed: () => this.files.closed,
    });
  }

  get logStartOffset(): Offset {
    return this.#logStartOffset;
  }
  get logEndOffset(): Offset {
    return this.#logEndOffset;
  }
  get stableOffset(): Offset {
    return this.config.durability === "replicated" ? this.#logEndOffset : this.#stableOffset;
  }
  get writtenOffset(): Offset {
    return this.#tail.writtenOffset;
  }
  get filesEnd(): Offset {
    return this.#tail.filesEnd;
  }
  get lastRecordEpoch(): number {
    return this.#logEndOffset > this.#logStartOffset
      ? this.epochs.epochAt(this.#logEndOffset - 1)
      : -1;
  }
  get latestEpoch(): number {
    return this.epochs.latest;
  }
  get sizeBytes(): number {
    return this.files.segments.bytes;
  }
  get highWatermark(): Offset {
    return this.#highWatermark;
  }
  set highWatermark(offset: Offset) {
    this.#highWatermark = Math.max(offset, this.#logStartOffset);
  }
  /** Its files and its producers' state are what its offsets say: no truncation is on its way to them. */
  get settled(): boolean {
    return !this.files.closed && !this.files.truncating && !this.producers.unknown;
  }
  /** Nothing at or above it may be compacted: it may yet be cut, or undecided, or written again from the journal. */
  get compactionLimit(): Offset {
    const open = this.producers.state.firstOpenTransaction() ?? Infinity;
    return Math.min(this.#highWatermark, open, this.compaction.checkpointedOffset);
  }
  get segments(): SegmentList {
    return this.files.segments;
  }
  get held(): boolean {
    return this.#work.held;
  }
  get uncut(): boolean {
    return this.held && this.files.uncut;
  }

  appendAsLeader(
    records: Uint8Array,
    leaderEpoch: number,
    origin: "client" | "coordinator",
  ): AppendResult {
    this.#refuseIfUnable();
    if (origin === "client" && this.#context.room.room === "short") {
      throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, "the volume is nearly full");
    }
    const now = this.#context.scheduler.wallNow();
    const batches = parseBatches(records, origin);
    for (const batch of batches) {
      validateBatch(records, batch, this.config, now, origin);
      if (this.config.compact && origin === "client") requireKeys(records, batch);
    }
    const first = present(batches[0], "parsed batches are not empty");
    if (first.producerId >= 0 && !first.control) {
      const repeat = this.producers.state.check(first);
      if (repeat !== undefined) {
        return {
          baseOffset: repeat.baseOffset,
          lastOffset: repeat.lastOffset,
          duplicate: true,
          logAppendTime: -1,
        };
      }
    }
    const baseOffset = this.#logEndOffset;
    const stampTime = this.config.timestampType === "LogAppendTime";
    for (const batch of batches) {
      const offset = this.#logEndOffset;
      this.#append(records, batch, offset, leaderEpoch, (bytes, at) => {
        stampBatch(bytes, at, offset, leaderEpoch);
        if (stampTime) stampLogAppendTime(bytes, at, batch.size, now);
      });
    }
    return {
      baseOffset,
      lastOffset: this.#logEndOffset - 1,
      duplicate: false,
      logAppendTime: stampTime ? now : -1,
    };
  }

  appendAsFollower(records: Uint8Array): { readonly lastOffset: Offset } {
    this.#refuseIfUnable();
    for (const batch of parseFollowed(records)) {
      if (batch.baseOffset < this.#logEndOffset) {
        throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, "fetched records overlap the log");
      }
      this.#append(records, batch, batch.baseOffset, batch.partitionLeaderEpoch, undefined);
    }
    return { lastOffset: this.#logEndOffset - 1 };
  }

  /** Recovery has found that the log ends beyond its last batch. */
  extendTo(offset: Offset): void {
    const { filesEnd } = this.#tail;
    this.#logEndOffset = offset;
    this.#stableOffset = offset;
    this.#tail.startAt(offset, filesEnd);
    this.#onUnwritten(this);
  }

  /** A new log: what the journal still has of a former one of its name and topic is not part of it. */
  begin(): Promise<void> {
    this.#mark(EntryKind.startAt, 0);
    return this.#context.journal.flush();
  }

  /**
   * Puts back a batch that the journal held, straight into the segment: entries made anew behind the old ones could
   * survive a second crash in part, a truncation without what was appended after it.
   */
  async replayAppend(bytes: Uint8Array): Promise<void> {
    const batch = batchAt(bytes, 0);
    assert(batch.baseOffset >= this.#logEndOffset, "L3: offsets go on from the log end");
    if (this.epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset)) this.epochsDirty = true;
    this.segments.appended(batch, this.config, this.#context.scheduler.wallNow());
    const now = this.#context.scheduler.now();
    await this.segments.holding(batch.baseOffset).write([bytes], bytes.length, now);
    this.#logEndOffset = batch.lastOffset + 1;
    this.#stableOffset = this.#logEndOffset;
    this.#tail.startAt(this.#logEndOffset);
    this.#onUnwritten(this);
  }

  /**
   * The journal holds a batch that the segments have: an epoch that the journal has put there before it had no records,
   * and is not part of the history that the log went on with.
   */
  confirmEpoch(bytes: Uint8Array): void {
    const { partitionLeaderEpoch, baseOffset, lastOffset } = batchAt(bytes, 0);
    if (this.epochs.confirm(partitionLeaderEpoch, baseOffset, lastOffset)) this.epochsDirty = true;
  }

  #append(
    records: Uint8Array,
    batch: BatchHeader,
    offset: Offset,
    leaderEpoch: number,
    stamp: ((bytes: Uint8Array, at: number) => void) | undefined,
  ): void {
    assert(offset >= this.#logEndOffset, "L3: offsets go on from the log end");
    const lastOffset = offset + batch.lastOffsetDelta;
    if (this.epochs.latest !== leaderEpoch && leaderEpoch >= 0)
      this.assignEpoch(leaderEpoch, offset);
    const { extent, payloadAt } = this.#entries.append(
      offset,
      batch.size,
      (bytes, at) => {
        bytes.set(records.subarray(batch.position, batch.position + batch.size), at);
        stamp?.(bytes, at);
      },
      lastOffset + 1,
    );
    this.#tail.push(offset, extent, payloadAt, batch.size);
    const stored = batchHeaderAt(extent.bytes, payloadAt, batch.size);
    this.producers.appended(stored);
    this.segments.appended(stored, this.config, this.#context.scheduler.wallNow());
    this.#logEndOffset = lastOffset + 1;
    this.#onUnwritten(this);
  }

  #refuseIfUnable(): void {
    const { arena, journal } = this.#context;
    const unable = this.files.closed || this.producers.unknown || this.held;
    if (unable || journal.refusing || arena.overfull) {
      throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR);
    }
  }

  markStable(offset: Offset, generation: number): void {
    // A sync that was under way during a truncation says nothing of what was appended after it.
    if (generation !== this.generation) return;
    const stable = Math.min(offset, this.#logEndOffset);
    if (stable <= this.#stableOffset) return;
    this.#stableOffset = stable;
    this.onStable?.();
  }

  read(
    offset: Offset,
    maxBytes: number,
    upTo: Offset,
    minOneBatch: boolean,
  ): LogRead | Promise<LogRead> {
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    if (offset >= upTo || offset === this.#logEndOffset) return EMPTY_READ;
    return this.#reader.read(offset, { maxBytes, upTo, minOneBatch }, () => this.#logEndOffset);
  }

  inMemory(offset: Offset): boolean {
    return offset >= this.#logEndOffset || this.#tail.has(offset);
  }

  async repair(place: DamagedPlace, batch: Uint8Array): Promise<boolean> {
    const header = batchAt(batch, 0);
    const holds = header.baseOffset <= place.offset && place.offset <= header.lastOffset;
    if (!holds || header.size !== batch.length || !crcMatches(batch, header)) return false;
    // Within one leader epoch there is one batch at an offset (L3): one of another epoch is another history's.
    const ours = (): boolean =>
      header.lastOffset < this.#logEndOffset &&
      header.partitionLeaderEpoch === this.epochs.epochAt(header.baseOffset);
    const { indexIntervalBytes } = this.config;
    const repaired = await this.files.replaceDamaged(place, batch, ours, indexIntervalBytes);
    if (repaired) this.compaction.uncleanable = false;
    return repaired;
  }

  async truncateTo(offset: Offset): Promise<void> {
    if (offset >= this.#logEndOffset) {
      // An epoch may have begun here without a record: its leader's history does not have it.
      this.epochs.truncateFromEnd(offset);
      this.epochsDirty = true;
      return;
    }
    assert(offset >= this.#logStartOffset, "a log is not cut before its start");
    this.#cut(offset);
    this.#mark(EntryKind.truncate, offset);
    this.producers.cut(offset);
    await this.#work.run(() => this.files.truncateTo(offset, this.#truncation()));
    this.#onUnwritten(this);
  }

  #truncation(): Truncation {
    return {
      config: this.config,
      logEndOffset: () => this.#logEndOffset,
      then: (writeOut) => this.#readProducers(writeOut),
    };
  }

  /** Reads back the producers' state that a truncation has made unknown. */
  async #readProducers(writeOut: () => Promise<void>): Promise<void> {
    if (!this.producers.unknown) return;
    // Appends are refused meanwhile, so once this is done the files hold all that counts.
    await writeOut();
    await this.producers.readBack(this.#logEndOffset);
  }

  async truncateFullyAndStartAt(offset: Offset): Promise<void> {
    this.#cut(-1);
    this.#logStartOffset = offset;
    this.#logEndOffset = offset;
    this.#stableOffset = offset;
    this.#tail.startAt(offset);
    this.#highWatermark = offset;
    this.epochs.clear();
    this.producers.clear();
    this.epochsDirty = true;
    this.#mark(EntryKind.startAt, offset);
    this.#work.release();
    await this.files.startAt(offset, this.config);
    this.#onUnwritten(this);
  }

  /** The in-memory part of a truncation. */
  #cut(offset: Offset): void {
    this.generation++;
    this.#tail.cut(offset);
    this.compaction.truncated(offset);
    this.#logEndOffset = Math.min(this.#logEndOffset, offset);
    this.#stableOffset = Math.min(this.#stableOffset, offset);
    this.#highWatermark = Math.min(this.#highWatermark, offset);
    this.epochs.truncateFromEnd(offset);
    this.epochsDirty = true;
  }

  raiseLogStart(offset: Offset): void {
    if (offset <= this.#logStartOffset) return;
    assert(offset <= this.#logEndOffset, "a log does not start beyond its end");
    this.#logStartOffset = offset;
    this.#highWatermark = Math.max(this.#highWatermark, offset);
    this.epochs.truncateFromStart(offset);
    this.epochsDirty = true;
    this.#mark(EntryKind.logStart, offset);
    this.dropSegmentsBefore(offset);
  }

  /** Removes segments that lie wholly below `offset`; the log starts no earlier after. */
  dropSegmentsBefore(offset: Offset): void {
    const dropped = this.segments.dropBefore(Math.min(offset, this.writtenOffset));
    if (dropped.length === 0) return;
    const start = this.segments.firstOffset;
    if (start > this.#logStartOffset) this.raiseLogStart(start);
    this.files.remove(dropped);
  }

  assignEpoch(leaderEpoch: number, startOffset: Offset): void {
    if (!this.epochs.assign(leaderEpoch, startOffset)) return;
    this.epochsDirty = true;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setInt32(0, leaderEpoch);
    this.#mark(EntryKind.epoch, startOffset, payload);
  }

  endOfEpoch(leaderEpoch: number): EpochEnd {
    return this.epochs.endOf(leaderEpoch, this.#logEndOffset);
  }

  #mark(kind: MarkKind, offset: Offset, payload?: Uint8Array): void {
    this.#onUnwritten(this);
    this.#entries.mark(kind, offset, this.#logEndOffset, payload);
  }

  /** What is in memory only goes to the segments' files; see `LogFiles.writeOut`. */
  writeOut(): Promise<void> {
    return this.files.writeOut(() => this.#logEndOffset);
  }

  async offsetForTimestamp(timestamp: EpochMillis): Promise<TimestampedOffset | undefined> {
    await this.writeOut();
    return firstAtOrAfter(this.segments, this.#logStartOffset, timestamp);
  }

  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | undefined> {
    await this.writeOut();
    return ofMaxTimestamp(this.segments, this.#logStartOffset);
  }

  activeProducers(): ReturnType<PartitionLog["activeProducers"]> {
    return this.producers.active();
  }

  /** Each key below `offset` is there once at most. */
  compactedTo(offset: Offset): void {
    this.compaction.cleanedOffset = offset;
    this.#onUnwritten(this);
  }

  /** After a start; where damage is in the way the log takes nothing until it is repaired. */
  async recoverProducers(): Promise<void> {
    try {
      await this.producers.readBack(this.#logEndOffset);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      this.producers.lost();
      this.#work
        .run(() => Promise.reject(error))
        .catch((problem: unknown) => this.#context.panic(problem));
    }
  }

  /** See `LogFiles.checkpoint`; a snapshot of the producers is taken after every `snapshotEvery` bytes, 0 before a stop. */
  checkpoint(snapshotEvery: number): Promise<SafeFiles | undefined> {
    return this.files.checkpoint({
      log: this,
      last: snapshotEvery === 0,
      takeSnapshot: () =>
        this.#logEndOffset === this.#logStartOffset
          ? undefined
          : this.producers.takeSnapshot(snapshotEvery),
    });
  }

  close(): Promise<void> {
    return this.files.close();
  }

  /** Stops everything without writing. */
  abandon(): Promise<void> {
    const done = this.files.abandon();
    this.#context.arena.caughtUp();
    return done;
  }
}
