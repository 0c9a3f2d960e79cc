import { assert, present } from "../../lib/assert.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { EpochMillis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import {
  batchAt,
  batchHeaderAt,
  type BatchHeader,
  crcMatches,
  readRecords,
  stampBatch,
  stampLogAppendTime,
} from "../protocol/record-batch.ts";
import { parseBatches, validateBatch } from "./append-validation.ts";
import { type Arena, type Extent, TailIndex } from "./arena.ts";
import type { Journal, JournalClient } from "./journal.ts";
import { EntryKind } from "./journal-format.ts";
import { LeaderEpochCache } from "./leader-epoch-cache.ts";
import { ProducerState } from "./producer-state.ts";
import { SegmentList } from "./segment-list.ts";
import type { Storage } from "./storage.ts";
import type {
  AppendResult,
  EpochEnd,
  LogConfig,
  LogIdentity,
  LogRead,
  Offset,
  PartitionLog,
} from "./types.ts";

/** What all logs of a broker share. */
export interface LogContext {
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly arena: Arena;
  readonly journal: Journal;
  /** What is done now comes out of the journal and does not go into it again. */
  readonly replaying: () => boolean;
  readonly panic: (error: unknown) => never;
  /** Something was appended that is not in a segment yet. */
  readonly onUnwritten: (log: JournaledLog) => void;
}

const EMPTY_READ: LogRead = { parts: [], bytes: 0, release: () => undefined };

/**
 * A partition's log: the newest records in the arena and the journal, all of it in segments. Its state in memory changes
 * at once; files follow in order behind it (`#files`), and the journal tells what a crash took from them.
 */
export class JournaledLog implements PartitionLog, JournalClient {
  readonly identity: LogIdentity;
  readonly directory: string;
  config: LogConfig;
  onStable: (() => void) | undefined;
  readonly #context: LogContext;
  readonly #topicIdBytes: Uint8Array;
  readonly #segments: SegmentList;
  readonly #tail = new TailIndex();
  readonly epochs: LeaderEpochCache;
  producers: ProducerState;
  #logStartOffset: Offset;
  #logEndOffset: Offset;
  #stableOffset: Offset;
  #highWatermark: Offset;
  /** Offset up to which records are in segment files. */
  #writtenOffset: Offset;
  /** The sequence state is being read back after a truncation. */
  #producersUnknown = false;
  generation = 0;
  /** Truncations whose files have not followed yet: nothing is written to segments meanwhile. */
  #truncating = 0;
  /** The lowest cut since the present write to a segment began. */
  #cutSinceWrite: Offset = Infinity;
  epochsDirty = false;
  bytesSinceSnapshot = 0;
  #files: Promise<void> = Promise.resolve();
  #closed = false;

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
    readonly highWatermark: Offset;
  }) {
    this.identity = options.identity;
    this.directory = options.directory;
    this.config = options.config;
    this.#topicIdBytes = options.topicIdBytes;
    this.#context = options.context;
    this.#segments = options.segments;
    this.epochs = options.epochs;
    this.producers = options.producers;
    this.#logStartOffset = options.logStartOffset;
    this.#logEndOffset = options.logEndOffset;
    this.#stableOffset = options.logEndOffset;
    this.#writtenOffset = options.logEndOffset;
    this.#highWatermark = Math.max(
      options.logStartOffset,
      Math.min(options.highWatermark, options.logEndOffset),
    );
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
    return this.#writtenOffset;
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
    return this.#segments.bytes;
  }
  get highWatermark(): Offset {
    return this.#highWatermark;
  }
  set highWatermark(offset: Offset) {
    this.#highWatermark = Math.max(offset, this.#logStartOffset);
  }
  get segments(): SegmentList {
    return this.#segments;
  }

  appendAsLeader(
    records: Uint8Array,
    leaderEpoch: number,
    origin: "client" | "coordinator",
  ): AppendResult {
    this.#refuseIfUnable();
    const now = this.#context.scheduler.wallNow();
    const batches = parseBatches(records, origin);
    for (const batch of batches) validateBatch(records, batch, this.config, now, origin);
    const first = present(batches[0], "parsed batches are not empty");
    if (first.producerId >= 0 && !first.control) {
      const repeat = this.producers.check(first);
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

  /**
   * Puts back a batch that the journal held, straight into the segment: entries made anew behind the old ones could
   * survive a second crash in part, a truncation without what was appended after it.
   */
  async replayAppend(bytes: Uint8Array): Promise<void> {
    const batch = batchAt(bytes, 0);
    assert(batch.baseOffset >= this.#logEndOffset, "L3: offsets go on from the log end");
    if (this.epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset)) this.epochsDirty = true;
    this.#segments.appended(batch, this.config, this.#context.scheduler.wallNow());
    await this.#segments.holding(batch.baseOffset).write([bytes], bytes.length);
    this.#logEndOffset = batch.lastOffset + 1;
    this.#stableOffset = this.#logEndOffset;
    this.#writtenOffset = this.#logEndOffset;
    this.#context.onUnwritten(this);
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
    const { extent, payloadAt } = this.#context.journal.append(
      {
        kind: EntryKind.append,
        topicId: this.#topicIdBytes,
        partition: this.identity.partition,
        offset,
      },
      batch.size,
      (bytes, at) => {
        bytes.set(records.subarray(batch.position, batch.position + batch.size), at);
        stamp?.(bytes, at);
      },
      this,
      lastOffset + 1,
    );
    extent.unwritten += batch.size;
    this.#tail.dropBefore(this.#context.arena.oldest);
    this.#tail.push(offset, extent.sequence, payloadAt, batch.size);
    const stored = batchHeaderAt(extent.bytes, payloadAt, batch.size);
    this.producers.update(stored);
    this.#segments.appended(stored, this.config, this.#context.scheduler.wallNow());
    this.#logEndOffset = lastOffset + 1;
    this.bytesSinceSnapshot += batch.size;
    this.#context.onUnwritten(this);
  }

  #refuseIfUnable(): void {
    const { arena, journal } = this.#context;
    if (this.#closed || this.#producersUnknown || journal.refusing || arena.overfull) {
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
    this.#tail.dropBefore(this.#context.arena.oldest);
    const from = this.#tail.find(offset);
    if (from < 0)
      return this.#segments.read(
        offset,
        maxBytes,
        Math.min(upTo, this.#writtenOffset),
        minOneBatch,
      );
    return this.#readTail(from, maxBytes, upTo, minOneBatch);
  }

  #readTail(from: number, maxBytes: number, upTo: Offset, minOneBatch: boolean): LogRead {
    const parts: Uint8Array[] = [];
    const held: Extent[] = [];
    let bytes = 0;
    for (let i = from; i < this.#tail.count; i++) {
      const size = this.#tail.size(i);
      if (this.#tail.baseOffset(i) >= upTo) break;
      if (bytes + size > maxBytes && !(minOneBatch && bytes === 0)) break;
      const extent = this.#context.arena.extent(this.#tail.sequence(i));
      const at = this.#tail.position(i);
      parts.push(extent.bytes.subarray(at, at + size));
      if (held.at(-1) !== extent) {
        extent.holds++;
        held.push(extent);
      }
      bytes += size;
    }
    return {
      parts,
      bytes,
      release: () => {
        for (const extent of held) extent.holds--;
        held.length = 0;
      },
    };
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
    this.#journalMark(EntryKind.truncate, offset);
    const rebuild = this.producers.reaches(offset);
    if (rebuild) this.#producersUnknown = true;
    await this.#inOrder(async () => {
      await this.#flushJournal();
      await this.#writeOut(offset);
      await this.#segments.truncateTo(offset, this.config);
      this.#filesCut();
      if (this.#truncating > 0 || !this.#producersUnknown) return;
      // Appends are refused meanwhile, so once this is done the files hold all that counts.
      await this.#writeOut();
      await this.rebuildProducers(this.#logEndOffset);
      this.#producersUnknown = false;
    });
    this.#context.onUnwritten(this);
  }

  async truncateFullyAndStartAt(offset: Offset): Promise<void> {
    this.#cut(-1);
    this.#logStartOffset = offset;
    this.#logEndOffset = offset;
    this.#stableOffset = offset;
    this.#writtenOffset = offset;
    this.#highWatermark = offset;
    this.epochs.clear();
    this.producers.clear();
    this.epochsDirty = true;
    this.#journalMark(EntryKind.startAt, offset);
    this.#producersUnknown = false;
    await this.#inOrder(async () => {
      await this.#flushJournal();
      await this.#segments.startAt(offset);
      this.#filesCut();
    });
    this.#context.onUnwritten(this);
  }

  /** The files have followed a truncation: what was appended since is counted to the segments as they are now. */
  #filesCut(): void {
    this.#truncating--;
    for (let i = Math.max(0, this.#tail.find(this.#writtenOffset)); i < this.#tail.count; i++) {
      if (this.#tail.baseOffset(i) < this.#writtenOffset) continue;
      const { bytes } = this.#context.arena.extent(this.#tail.sequence(i));
      const batch = batchHeaderAt(bytes, this.#tail.position(i), this.#tail.size(i));
      this.#segments.appended(batch, this.config, this.#context.scheduler.wallNow());
    }
  }

  /** The journal has the truncation before the files follow it, so that a shorter file is known for what it is. */
  async #flushJournal(): Promise<void> {
    if (!this.#context.replaying()) await this.#context.journal.flush();
  }

  /** The in-memory part of a truncation. */
  #cut(offset: Offset): void {
    this.generation++;
    this.#truncating++;
    this.#cutSinceWrite = Math.min(this.#cutSinceWrite, offset);
    while (this.#tail.count > 0 && this.#tail.baseOffset(this.#tail.count - 1) >= offset) {
      const last = this.#tail.count - 1;
      if (this.#tail.baseOffset(last) >= this.#writtenOffset) {
        this.#context.arena.extent(this.#tail.sequence(last)).unwritten -= this.#tail.size(last);
      }
      this.#tail.pop();
    }
    this.#logEndOffset = Math.min(this.#logEndOffset, offset);
    this.#stableOffset = Math.min(this.#stableOffset, offset);
    this.#writtenOffset = Math.min(this.#writtenOffset, offset);
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
    this.#journalMark(EntryKind.logStart, offset);
    this.dropSegmentsBefore(offset);
  }

  /** Removes segments that lie wholly below `offset`; the log starts no earlier after. */
  dropSegmentsBefore(offset: Offset): void {
    const dropped = this.#segments.dropBefore(Math.min(offset, this.#writtenOffset));
    if (dropped.length === 0) return;
    const start = this.#segments.firstOffset;
    if (start > this.#logStartOffset) this.raiseLogStart(start);
    void this.#inOrder(async () => {
      for (const segment of dropped) await segment.remove();
    });
  }

  assignEpoch(leaderEpoch: number, startOffset: Offset): void {
    if (!this.epochs.assign(leaderEpoch, startOffset)) return;
    this.epochsDirty = true;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setInt32(0, leaderEpoch);
    this.#journalMark(EntryKind.epoch, startOffset, payload);
  }

  endOfEpoch(leaderEpoch: number): EpochEnd {
    return this.epochs.endOf(leaderEpoch, this.#logEndOffset);
  }

  #journalMark(
    kind: (typeof EntryKind)[Exclude<keyof typeof EntryKind, "append">],
    offset: Offset,
    payload = new Uint8Array(0),
  ): void {
    this.#context.onUnwritten(this);
    if (this.#context.replaying()) return;
    const head = { kind, topicId: this.#topicIdBytes, partition: this.identity.partition, offset };
    const fill = (bytes: Uint8Array, at: number): void => bytes.set(payload, at);
    this.#context.journal.append(head, payload.length, fill, this, this.#logEndOffset);
  }

  async offsetForTimestamp(
    timestamp: EpochMillis,
  ): Promise<{ offset: Offset; timestamp: EpochMillis; leaderEpoch: number } | undefined> {
    await this.writeOut();
    const batch = await this.#segments.findBatch(
      this.#logStartOffset,
      (candidate) => candidate.maxTimestamp >= timestamp,
      (segment) => segment.maxTimestamp >= timestamp,
    );
    return this.#recordIn(batch, (record) => record.timestamp >= timestamp);
  }

  async offsetOfMaxTimestamp(): Promise<
    { offset: Offset; timestamp: EpochMillis; leaderEpoch: number } | undefined
  > {
    await this.writeOut();
    const largest = this.#segments.maxTimestamp;
    if (largest < 0) return undefined;
    const batch = await this.#segments.findBatch(
      this.#logStartOffset,
      (candidate) => candidate.maxTimestamp === largest,
      (segment) => segment.maxTimestamp === largest,
    );
    return this.#recordIn(batch, (record) => record.timestamp === largest);
  }

  #recordIn(
    bytes: Uint8Array | undefined,
    wanted: (record: { timestamp: EpochMillis }) => boolean,
  ): { offset: Offset; timestamp: EpochMillis; leaderEpoch: number } | undefined {
    if (bytes === undefined) return undefined;
    const batch = batchAt(bytes, 0);
    const leaderEpoch = batch.partitionLeaderEpoch;
    const found = readRecords(bytes, batch).find(
      (record) => record.offset >= this.#logStartOffset && wanted(record),
    );
    return found === undefined
      ? undefined
      : { offset: found.offset, timestamp: found.timestamp, leaderEpoch };
  }

  activeProducers(): ReturnType<PartitionLog["activeProducers"]> {
    return [...this.producers.entries()].map((entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.currentTxnFirstOffset,
    }));
  }

  /** Writes what is in memory only to the segment files, in order behind what is under way. */
  writeOut(): Promise<void> {
    return this.#inOrder(() => this.#writeOut());
  }

  /** @param limit of a truncation that is about to cut the files: only what it leaves is written. */
  async #writeOut(limit = Infinity): Promise<void> {
    while (this.#writtenOffset < Math.min(limit, this.#logEndOffset) && !this.#closed) {
      if (this.#truncating > 0 && limit === Infinity) return;
      const from = this.#tail.find(this.#writtenOffset);
      assert(
        from >= 0 && this.#tail.baseOffset(from) >= this.#writtenOffset,
        "L2: what is not written is in the arena",
      );
      const segment = this.#segments.holding(this.#tail.baseOffset(from));
      const end = Math.min(limit, this.#segments.endOf(segment));
      const parts: Uint8Array[] = [];
      const written: {
        readonly extent: Extent;
        readonly bytes: number;
        readonly offset: Offset;
      }[] = [];
      let bytes = 0;
      let next = this.#writtenOffset;
      for (
        let i = from;
        i < this.#tail.count && this.#tail.baseOffset(i) < end && bytes < 1024 * 1024;
        i++
      ) {
        const extent = this.#context.arena.extent(this.#tail.sequence(i));
        const size = this.#tail.size(i);
        const at = this.#tail.position(i);
        parts.push(extent.bytes.subarray(at, at + size));
        extent.holds++;
        written.push({ extent, bytes: size, offset: this.#tail.baseOffset(i) });
        bytes += size;
        next = i + 1 < this.#tail.count ? this.#tail.baseOffset(i + 1) : this.#logEndOffset;
      }
      this.#cutSinceWrite = Infinity;
      try {
        await segment.write(parts, bytes);
      } finally {
        for (const { extent } of written) extent.holds--;
      }
      // What a truncation took meanwhile was counted off by it; the file is cut next in the order of files.
      const cut = this.#cutSinceWrite;
      for (const one of written) if (one.offset < cut) one.extent.unwritten -= one.bytes;
      if (cut >= 0) this.#writtenOffset = Math.max(this.#writtenOffset, Math.min(next, cut));
    }
  }

  /** Runs work on the files after all that was asked before. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#files.then(() => (this.#closed ? undefined : work()));
    this.#files = done.catch(() => undefined);
    return done;
  }

  /** Reads the producers' state back from the last snapshot and the batches after it. */
  async rebuildProducers(upTo: Offset): Promise<void> {
    this.producers = await this.#segments.readProducers(upTo);
  }

  /**
   * Writes out, syncs the files and saves what a restart needs. @returns the offset that is now safe in segments, or
   * undefined when a truncation holds up what was appended: the journal is then still needed.
   */
  async checkpoint(snapshotEvery: number): Promise<Offset | undefined> {
    let safe: Offset | undefined;
    await this.#inOrder(async () => {
      await this.#writeOut();
      if (this.#truncating > 0) return;
      safe = this.#writtenOffset;
      await this.#segments.sync();
      if (this.epochsDirty) {
        this.epochsDirty = false;
        await this.#context.storage.writeFileAtomic(
          `${this.directory}/leader-epoch-checkpoint`,
          this.epochs.encode(),
        );
      }
      if (
        this.bytesSinceSnapshot >= snapshotEvery &&
        this.producers.size > 0 &&
        !this.#producersUnknown &&
        this.#truncating === 0
      ) {
        this.bytesSinceSnapshot = 0;
        await this.#segments.writeSnapshot(this.#logEndOffset, this.producers.encode());
      }
    });
    return safe;
  }

  async close(): Promise<void> {
    await this.#files;
    this.#closed = true;
    await this.#segments.close();
  }

  /** Stops everything without writing. */
  async abandon(): Promise<void> {
    this.#closed = true;
    this.#context.arena.recycle(0);
    for (let i = 0; i < this.#tail.count; i++) {
      if (this.#tail.baseOffset(i) < this.#writtenOffset) continue;
      if (this.#tail.sequence(i) < this.#context.arena.oldest) continue;
      this.#context.arena.extent(this.#tail.sequence(i)).unwritten -= this.#tail.size(i);
    }
    this.#tail.clear();
    await this.#files;
    await this.#segments.close();
  }
}

/** A leader's batches, checked for damage on the way. Throws CORRUPT_MESSAGE. A batch cut short at the end is left out. */
function parseFollowed(records: Uint8Array): readonly BatchHeader[] {
  const batches = parseBatches(records, "coordinator");
  for (const batch of batches) {
    if (!crcMatches(records, batch)) throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, "checksum");
  }
  return batches;
}
