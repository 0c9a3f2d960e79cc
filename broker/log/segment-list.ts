import { assert, present } from "../../lib/assert.ts";
import type { EpochMillis, Millis } from "../../lib/units.ts";
import { cutPlace } from "./cut-place.ts";
import { DamagedError, type DamagedPlace } from "./damage.ts";
import {
  batchAt,
  batchHeaderAt,
  type BatchHeader,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  crcMatches,
} from "../protocol/record-batch.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { ProducerSnapshots } from "./producer-snapshots.ts";
import { ProducerState } from "./producer-state.ts";
import type { ReadBuffers } from "./read-buffers.ts";
import { readSegment } from "./segment-reading.ts";
import { Segment } from "./segment.ts";
import { type Storage, StorageError } from "./storage.ts";
import type { LogConfig, LogRead, Offset } from "./types.ts";
import { replaceable, scanWhole } from "./whole-batches.ts";

/** Positions in Kafka's indexes are 32-bit. */
const MAX_SEGMENT_BYTES = 2 ** 31 - 1;

/** The segments of one log, oldest first; the last is the active one. */
export class SegmentList {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #buffers: ReadBuffers;
  #segments: Segment[];
  readonly snapshots: ProducerSnapshots;
  /** Told when a read comes upon bytes that are not what was written, before it is refused. */
  onDamage: ((error: DamagedError) => void) | undefined;

  constructor(storage: Storage, directory: string, segments: Segment[], buffers: ReadBuffers) {
    this.#storage = storage;
    this.#directory = directory;
    this.#buffers = buffers;
    this.#segments = segments;
    this.snapshots = new ProducerSnapshots(storage, directory);
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.size;
    return bytes;
  }
  get firstOffset(): Offset {
    return present(this.#segments[0], "a log has a segment").baseOffset;
  }
  get active(): Segment {
    return present(this.#segments.at(-1), "a log has a segment");
  }
  get maxTimestamp(): EpochMillis {
    return this.#segments.reduce((largest, one) => Math.max(largest, one.maxTimestamp), -1);
  }

  /** Notes a batch at the end of the log, in a new segment when the active one is full or old. */
  appended(batch: BatchHeader, config: LogConfig, now: EpochMillis): void {
    let active = this.active;
    const full = active.size + batch.size > Math.min(config.segmentBytes, MAX_SEGMENT_BYTES);
    const far = batch.lastOffset - active.baseOffset > MAX_SEGMENT_BYTES;
    if (active.size > 0 && (full || far || now - active.createdAt > config.segmentMs)) {
      active = this.roll(batch.baseOffset, now);
    }
    if (active.size === 0) active.createdAt = now;
    active.appended(batch, config.indexIntervalBytes);
  }

  roll(baseOffset: Offset, now: EpochMillis): Segment {
    this.active.seal(baseOffset);
    const segment = new Segment(this.#storage, this.#directory, baseOffset, 0, now);
    this.#segments.push(segment);
    return segment;
  }

  /** The segment that holds `offset` or would. */
  holding(offset: Offset): Segment {
    for (let i = this.#segments.length - 1; i > 0; i--) {
      const segment = this.#segments[i];
      if (segment !== undefined && segment.baseOffset <= offset) return segment;
    }
    return present(this.#segments[0], "a log has a segment");
  }

  /** Where the segment ends: the next one's base offset. */
  endOf(segment: Segment): Offset {
    return this.#after(segment)?.baseOffset ?? Infinity;
  }

  #after({ baseOffset }: Segment): Segment | undefined {
    return this.#segments.find((one) => one.baseOffset > baseOffset);
  }

  /** Whether these are neighbours in this log, and none is the active segment. */
  has(neighbours: readonly Segment[]): boolean {
    const [first] = neighbours;
    if (first === undefined) return false;
    const at = this.#segments.indexOf(first);
    return (
      at >= 0 &&
      at + neighbours.length < this.#segments.length &&
      neighbours.every((one, i) => this.#segments[at + i] === one)
    );
  }

  /** Puts one segment in the place of neighbours. */
  replace(neighbours: readonly Segment[], by: Segment): void {
    assert(this.has(neighbours), "K5: what is replaced is part of the log");
    const [first] = neighbours;
    if (first === undefined) return;
    this.#segments.splice(this.#segments.indexOf(first), neighbours.length, by);
  }

  /**
   * Whole batches from the file, from the one that holds `offset` or the first one behind it; undefined when there is
   * none before `upTo`. Throws KAFKA_STORAGE_ERROR when what is on disk is not what was written: it is reported, never
   * served.
   */
  async read(
    offset: Offset,
    maxBytes: number,
    upTo: Offset,
    minOneBatch: boolean,
    trustedSince: Millis,
  ): Promise<LogRead | undefined> {
    const found = await this.#search(offset, upTo, (segment) =>
      readSegment(segment, this.#buffers, {
        offset,
        maxBytes,
        upTo,
        minOneBatch,
        endOffset: this.endOf(segment),
        recentFrom: segment.recentFrom(trustedSince),
      }),
    );
    if (found === undefined) return undefined;
    return { parts: [found.bytes], bytes: found.bytes.length, release: found.release };
  }

  /** Looks through the segments from the one that holds `offset`, each of which stays open meanwhile. */
  async #search<T>(
    offset: Offset,
    upTo: Offset,
    look: (segment: Segment, from: Offset) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    let from = offset;
    let segment: Segment | undefined = this.holding(from);
    while (segment !== undefined) {
      segment.hold();
      try {
        const found = await look(segment, from);
        if (found !== undefined) return found;
      } catch (error) {
        if (error instanceof DamagedError) this.onDamage?.(error);
        throw error instanceof StorageError && error.code === "EIO" ? unreadable(error) : error;
      } finally {
        segment.release();
      }
      if (this.#segments.includes(segment)) {
        segment = this.#after(segment);
        if (segment === undefined || segment.baseOffset >= upTo) return undefined;
        from = Math.max(from, segment.baseOffset);
      } else segment = this.holding(from); // It was replaced by one that may hold more.
    }
    return undefined;
  }

  /**
   * The first thing that `look` finds in a batch from the one that holds `offset` on, in order of offsets.
   * @param worthwhile whether to look into a segment or a batch at all
   */
  find<T>(
    offset: Offset,
    worthwhile: (one: { readonly maxTimestamp: EpochMillis }) => boolean,
    look: (bytes: Uint8Array, batch: BatchHeader) => T | undefined,
  ): Promise<T | undefined> {
    return this.#search(offset, Infinity, async (segment, from) => {
      if (!worthwhile(segment)) return undefined;
      const begin = await segment.positionFor(from);
      let position = begin;
      let looked = -1;
      for (;;) {
        let candidate: BatchHeader | undefined;
        position = await segment.scan(position, (batch) => {
          if (batch.lastOffset < from || batch.count === 0 || !worthwhile(batch)) return undefined;
          candidate = batch;
          return false;
        });
        if (candidate === undefined) {
          await segment.refuseMissing(begin, position);
          if (position === looked) return undefined;
          // What a file lacked may have been brought meanwhile.
          looked = position;
          continue;
        }
        const bytes = new Uint8Array(candidate.size);
        await segment.read(candidate.position, bytes);
        const batch = batchAt(bytes, 0);
        if (!crcMatches(bytes, batch)) {
          const { position: at, baseOffset: first } = candidate;
          const place = { segment: segment.baseOffset, position: at, offset: first };
          throw new DamagedError(place, "checksum");
        }
        const found = look(bytes, batch);
        if (found !== undefined) return found;
        position = candidate.position + candidate.size;
      }
    });
  }

  /**
   * Puts a batch in the place of what is damaged there. @returns false when it does not fit: the place is gone or no longer
   * damaged, or what comes behind it does not go on from it, as where replicas were compacted at different times.
   */
  async replaceDamaged(
    { segment, position, offset }: DamagedPlace,
    batch: Uint8Array,
    indexIntervalBytes: number,
  ): Promise<boolean> {
    const damagedOne = this.#segments.find(({ baseOffset }) => baseOffset === segment);
    if (damagedOne === undefined) return false;
    damagedOne.hold();
    try {
      const end = position + batch.length;
      const { baseOffset: first, lastOffset } = batchAt(batch, 0);
      const missing = first === offset && damagedOne.misses(lastOffset);
      if (position > damagedOne.written || (end > damagedOne.written && !missing)) return false;
      if (!(await replaceable(damagedOne, position, batch))) return false;
      if (end < damagedOne.written) {
        const following = new Uint8Array(BATCH_HEADER_BYTES);
        const filled = await damagedOne.read(end, following);
        if (filled < BATCH_HEADER_BYTES) return false;
        const { baseOffset } = batchHeaderAt(following, 0, batchSizeAt(following, 0) ?? 0);
        if (baseOffset !== lastOffset + 1) return false;
      }
      await damagedOne.repair(position, batch, indexIntervalBytes);
      return true;
    } finally {
      damagedOne.release();
    }
  }

  /**
   * Cuts the files so that no batch at or after `offset` is left.
   * @returns the offset behind the last one that is
   * @throws DamagedError, with nothing cut below `offset`, when damage hides where that is
   */
  async truncateTo(offset: Offset, config: LogConfig): Promise<Offset> {
    while (this.#segments.length > 1 && this.active.baseOffset >= offset) {
      const last = this.#segments.pop();
      await last?.remove();
    }
    const { active } = this;
    const { position, end } = await cutPlace(active, offset);
    await active.truncate(Math.min(position, active.written), config.indexIntervalBytes);
    await this.snapshots.removeAbove(offset);
    // Removed names must not come back after a crash, when the journal no longer tells of the truncation.
    await this.#storage.syncDirectory(this.#directory);
    return Math.min(end, offset);
  }

  /** Everything goes; the log begins anew at `offset`. */
  async startAt(offset: Offset): Promise<void> {
    const old = this.#segments;
    this.#segments = [new Segment(this.#storage, this.#directory, offset, 0, 0)];
    for (const segment of old) await segment.remove();
    await this.snapshots.removeAbove(-1);
    await this.#storage.syncDirectory(this.#directory);
  }

  /** Takes whole segments below `offset` out of the list, never the active one. */
  dropBefore(offset: Offset): Segment[] {
    const dropped: Segment[] = [];
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined || second.baseOffset > offset) break;
      this.#segments.shift();
      dropped.push(first);
    }
    return dropped;
  }

  /** @param all also indexes that have little new */
  async sync(all: boolean): Promise<void> {
    for (const segment of [...this.#segments]) {
      if (segment.dirty || (all && segment === this.active)) await segment.sync(all);
    }
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.close();
  }

  /**
   * The producers' state at `upTo`: the newest whole snapshot at or before it and the batches since.
   * @returns also how many bytes these are
   * @throws DamagedError when one of those batches is not what was written
   */
  async readProducers(
    upTo: Offset,
  ): Promise<{ readonly producers: ProducerState; readonly bytes: number }> {
    const { at: from, producers } = (await this.snapshots.newest(upTo)) ?? {
      at: this.firstOffset,
      producers: new ProducerState(),
    };
    let bytes = 0;
    for (const segment of this.#segments) {
      if (this.endOf(segment) <= from) continue;
      await scanWhole(segment, await segment.positionFor(from), (batch) => {
        if (batch.baseOffset >= upTo) return false;
        if (batch.baseOffset >= from) {
          producers.update(batch);
          bytes += batch.size;
        }
        return true;
      });
    }
    return { producers, bytes };
  }
}

/** Of this partition alone: others in the same request are answered. */
function unreadable(error: StorageError): ProtocolError {
  return new ProtocolError(
    ErrorCode.KAFKA_STORAGE_ERROR,
    `segment cannot be read: ${error.message}`,
  );
}
