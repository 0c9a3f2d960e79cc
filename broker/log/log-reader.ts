import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { batchSizeAt, lastOffsetDeltaAt, recordCountAt } from "../protocol/record-batch.ts";
import { getInt64 } from "../protocol/int64.ts";
import type { SegmentList } from "./segment-list.ts";
import type { LogTail } from "./tail.ts";
import type { LogRead, Offset } from "./types.ts";

export const EMPTY_READ: LogRead = { parts: [], bytes: 0, release: () => undefined };

/** Bounds of a read, those of `PartitionLog.read`. */
export interface ReadBounds {
  readonly maxBytes: number;
  readonly upTo: Offset;
  readonly minOneBatch: boolean;
}

/** Reads one log: what is in memory from there, the rest from its segments. */
export class LogReader {
  readonly #tail: LogTail;
  readonly #segments: SegmentList;
  readonly #scheduler: Scheduler;
  readonly #trustWrittenMs: Millis;

  /** @param trustWrittenMs so long after it was written a batch's checksum need not be looked at */
  constructor(tail: LogTail, segments: SegmentList, scheduler: Scheduler, trustWrittenMs: Millis) {
    this.#tail = tail;
    this.#segments = segments;
    this.#scheduler = scheduler;
    this.#trustWrittenMs = trustWrittenMs;
  }

  /**
   * Batches from the one that holds `offset`, or the first one behind it. Those that compaction has left without records are
   * not the last ones while others follow: some clients do not get beyond an answer without records.
   */
  read(offset: Offset, bounds: ReadBounds, end: () => Offset): LogRead | Promise<LogRead> {
    const { maxBytes, upTo, minOneBatch } = bounds;
    const read = this.#tail.read(offset, maxBytes, upTo, minOneBatch);
    if (read === undefined) {
      return this.#readFiles(offset, bounds, end).then((found) =>
        nextWithoutRecords(found) === undefined ? found : this.#readOn(found, bounds, end),
      );
    }
    return nextWithoutRecords(read) === undefined ? read : this.#readOn(read, bounds, end);
  }

  async #readFiles(
    offset: Offset,
    { maxBytes, upTo, minOneBatch }: ReadBounds,
    end: () => Offset,
  ): Promise<LogRead> {
    while (offset < end()) {
      const { writtenOffset } = this.#tail;
      const limit = Math.min(upTo, writtenOffset);
      const since = this.#scheduler.now() - this.#trustWrittenMs;
      const read = await this.#segments.read(offset, maxBytes, limit, minOneBatch, since);
      if (read !== undefined) return read;
      // Nothing is left in files behind `offset`. What was written meanwhile is looked for there, else it is in memory.
      if (this.#tail.writtenOffset === writtenOffset)
        return this.#tail.readUnwritten(maxBytes, upTo, minOneBatch);
    }
    return EMPTY_READ;
  }

  /** What was read has no record: more is read behind it, until there is one or no room. */
  async #readOn(first: LogRead, bounds: ReadBounds, end: () => Offset): Promise<LogRead> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let last = first;
    for (;;) {
      const offset = nextWithoutRecords(last);
      bytes += last.bytes;
      if (offset === undefined || offset >= Math.min(bounds.upTo, end())) break;
      // Headers only: copied, they do not keep the memory of a whole read each.
      for (const part of last.parts) parts.push(new Uint8Array(part));
      last.release();
      const maxBytes = Math.max(0, bounds.maxBytes - bytes);
      const { upTo, minOneBatch } = bounds;
      last =
        this.#tail.read(offset, maxBytes, upTo, minOneBatch) ??
        (await this.#readFiles(offset, { ...bounds, maxBytes }, end));
    }
    return { parts: [...parts, ...last.parts], bytes, release: last.release };
  }
}

/** The offset behind batches of which none has a record; undefined when one has, or there is none. */
function nextWithoutRecords({ parts }: LogRead): Offset | undefined {
  let next: Offset | undefined;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += batchSizeAt(part, at) ?? part.length) {
      if (recordCountAt(part, at) > 0) return undefined;
      const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
      next = getInt64(view, at) + lastOffsetDeltaAt(part, at) + 1;
    }
  }
  return next;
}
