import { assert, present } from "../../lib/assert.ts";
import type { EpochMillis, Millis } from "../../lib/units.ts";
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
import { ProducerState } from "./producer-state.ts";
import { LOOKAHEAD_BYTES, READ_BYTES, type ReadBuffer, type ReadBuffers } from "./read-buffers.ts";
import { isOfIndex, Segment, segmentName } from "./segment.ts";
import { type Storage, StorageError } from "./storage.ts";
import type { LogConfig, LogRead, Offset } from "./types.ts";
import { cutPlace, firstDamaged, replaceable, scanWhole, wholeBatches } from "./whole-batches.ts";

/** Positions in Kafka's indexes are 32-bit. */
const MAX_SEGMENT_BYTES = 2 ** 31 - 1;

/** The segments of one log, oldest first; the last is the active one. */
export class SegmentList {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #buffers: ReadBuffers;
  #segments: Segment[];
  /** Told when a read comes upon bytes that are not what was written, before it is refused. */
  onDamage: ((error: DamagedError) => void) | undefined;

  constructor(storage: Storage, directory: string, segments: Segment[], buffers: ReadBuffers) {
    this.#storage = storage;
    this.#directory = directory;
    this.#buffers = buffers;
    this.#segments = segments;
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
      this.#readSegment(
        segment,
        offset,
        maxBytes,
        upTo,
        minOneBatch,
        segment.recentFrom(trustedSince),
      ),
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

  async #readSegment(
    segment: Segment,
    offset: Offset,
    maxBytes: number,
    upTo: Offset,
    minOneBatch: boolean,
    recentFrom: number,
  ): Promise<ReadBuffer | undefined> {
    const most = Math.min(maxBytes, READ_BYTES);
    const first = segment.baseOffset;
    const endOffset = this.endOf(segment);
    let entry = await segment.entryFor(offset);
    let begin = entry?.position ?? 0;
    let position = begin;
    let want = most + LOOKAHEAD_BYTES;
    /** What was passed over by its headers must be whole if the read does not come out at the offset. */
    const refuseDamaged = async (before: number): Promise<void> => {
      if (begin >= recentFrom) return;
      const found = await firstDamaged(segment, begin, before);
      if (found === undefined) return;
      throw new DamagedError({ segment: segment.baseOffset, ...found }, "checksum");
    };
    /** @returns whether there is nothing more: not if it was brought, meanwhile, to a file that had been cut short */
    const nothingBehind = async (before: number, end: number): Promise<boolean> => {
      const { written } = segment;
      await refuseDamaged(before);
      await segment.refuseMissing(begin, end);
      return segment.written <= written;
    };
    for (;;) {
      const length = Math.min(want, segment.written - position);
      if (length < BATCH_HEADER_BYTES) {
        if (await nothingBehind(position, position)) return undefined;
        position = begin;
        want = most + LOOKAHEAD_BYTES;
        continue;
      }
      const buffer = this.#buffers.take(length);
      let kept = false;
      try {
        const filled = await segment.read(position, buffer.bytes);
        const bytes = buffer.bytes.subarray(0, filled);
        if (entry !== undefined && position === begin && !isOfIndex(bytes, entry)) {
          entry = undefined;
          begin = 0;
          position = 0;
          continue;
        }
        const { start, end, needed, damage, gap } = wholeBatches(
          bytes,
          {
            offset,
            upTo,
            maxBytes: most,
            minOneBatch,
            left: segment.written - position,
            range: {
              expected: position === 0 ? first : undefined,
              first,
              end: endOffset,
            },
          },
          recentFrom - position,
        );
        const found = start >= 0 && end > start;
        if (gap || (damage !== undefined && !found)) {
          await refuseDamaged(position + (start >= 0 ? start : end));
        }
        if (damage !== undefined && !found) {
          const place = { segment: segment.baseOffset, position: position + end };
          throw new DamagedError({ ...place, offset: damage.offset }, damage.what);
        }
        if (found) {
          kept = true;
          return { bytes: bytes.subarray(start, end), release: buffer.release };
        }
        if (start >= 0 && needed > 0) {
          position += start;
          want = needed;
        } else if (start >= 0) {
          return NOTHING;
        } else {
          const last = end === 0 || position + end >= segment.written;
          if (last && (await nothingBehind(position + end, segment.written))) return undefined;
          position = last ? begin : position + end;
          want = most + LOOKAHEAD_BYTES;
        }
      } finally {
        if (!kept) buffer.release();
      }
    }
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
    await this.#removeSnapshots((at) => at > offset);
    // Removed names must not come back after a crash, when the journal no longer tells of the truncation.
    await this.#storage.syncDirectory(this.#directory);
    return Math.min(end, offset);
  }

  /** Everything goes; the log begins anew at `offset`. */
  async startAt(offset: Offset): Promise<void> {
    const old = this.#segments;
    this.#segments = [new Segment(this.#storage, this.#directory, offset, 0, 0)];
    for (const segment of old) await segment.remove();
    await this.#removeSnapshots(() => true);
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

  async writeSnapshot(offset: Offset, content: Uint8Array): Promise<void> {
    // Torn or missing it is passed over for an older one, so it need not be synced by itself.
    const file = await this.#storage.open(
      `${this.#directory}/${segmentName(offset)}.snapshot`,
      "create",
    );
    try {
      await file.write(0, [content]);
    } finally {
      await file.close();
    }
    const kept = await this.#snapshots();
    for (const old of kept.slice(0, -2)) await this.#storage.remove(this.#snapshotPath(old));
  }

  /**
   * The producers' state at `upTo`: the newest whole snapshot at or before it and the batches since.
   * @returns also how many bytes these are
   * @throws DamagedError when one of those batches is not what was written
   */
  async readProducers(
    upTo: Offset,
  ): Promise<{ readonly producers: ProducerState; readonly bytes: number }> {
    let state: ProducerState | undefined;
    let from = this.firstOffset;
    for (const offset of (await this.#snapshots()).reverse()) {
      if (offset > upTo || state !== undefined) continue;
      const content = await this.#storage.readFile(this.#snapshotPath(offset));
      state = content === undefined ? undefined : ProducerState.decode(content);
      if (state !== undefined) from = offset;
    }
    const producers = state ?? new ProducerState();
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

  async #snapshots(): Promise<Offset[]> {
    const names = await this.#storage.list(this.#directory);
    return names
      .filter((name) => name.endsWith(".snapshot"))
      .map((name) => Number(name.slice(0, 20)))
      .filter((offset) => Number.isSafeInteger(offset))
      .sort((a, b) => a - b);
  }

  async #removeSnapshots(which: (offset: Offset) => boolean): Promise<void> {
    for (const offset of await this.#snapshots()) {
      if (which(offset)) await this.#storage.remove(this.#snapshotPath(offset));
    }
  }

  #snapshotPath(offset: Offset): string {
    return `${this.#directory}/${segmentName(offset)}.snapshot`;
  }
}

/** Of this partition alone: others in the same request are answered. */
function unreadable(error: StorageError): ProtocolError {
  return new ProtocolError(
    ErrorCode.KAFKA_STORAGE_ERROR,
    `segment cannot be read: ${error.message}`,
  );
}

const NOTHING: ReadBuffer = { bytes: new Uint8Array(0), release: () => undefined };
