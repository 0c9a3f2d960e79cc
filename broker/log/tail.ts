import { assert } from "../../lib/assert.ts";
import { batchHeaderAt, type BatchHeader, lastOffsetDeltaAt } from "../protocol/record-batch.ts";
import { type Arena, type Extent, TailIndex } from "./arena.ts";
import type { LogRead, Offset } from "./types.ts";

/** The most that one write to a segment takes. */
const WRITE_BYTES = 1024 * 1024;

/** Batches on their way into a segment. Their memory is held until `release`. */
export interface UnwrittenPiece {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** They are in the segment's file, but for those that a truncation took meanwhile. */
  written(): void;
  release(): void;
}

/**
 * The newest batches of one log, in the broker's arena, and up to where they are in segment files as well. Offsets may
 * have gaps: a follower has what its leader's compaction has left. (core)
 */
export class LogTail {
  readonly #arena: Arena;
  readonly #index = new TailIndex();
  #writtenOffset: Offset;
  /** Offset behind the last batch in segment files; below `writtenOffset` if the log was cut in a gap. */
  #filesEnd: Offset;
  /** Bytes that are not in segment files. */
  #unwrittenBytes = 0;
  /** The lowest cut since the piece that is on its way was taken. */
  #cutSinceTaken: Offset = Infinity;

  constructor(arena: Arena, writtenOffset: Offset, filesEnd = writtenOffset) {
    this.#arena = arena;
    this.#writtenOffset = writtenOffset;
    this.#filesEnd = filesEnd;
  }

  /** Offset up to which the log is in segment files. */
  get writtenOffset(): Offset {
    return this.#writtenOffset;
  }
  get filesEnd(): Offset {
    return this.#filesEnd;
  }

  /** What is in memory is dropped; the files hold the log up to here. */
  startAt(offset: Offset, filesEnd = offset): void {
    this.cut(-1);
    this.#writtenOffset = offset;
    this.#filesEnd = filesEnd;
  }

  /** The files were cut, and their last batch ends here. */
  filesCutAt(offset: Offset): void {
    this.#filesEnd = Math.min(offset, this.#writtenOffset);
  }

  /** A batch at the end of the log that lies in `extent` at `position`. */
  push(baseOffset: Offset, extent: Extent, position: number, bytes: number): void {
    extent.unwritten += bytes;
    this.#unwrittenBytes += bytes;
    this.#index.dropBefore(this.#arena.oldest);
    this.#index.push(baseOffset, extent.sequence, position, bytes);
  }

  /**
   * Batches from the one that holds `offset`, or the first one behind it; undefined when that may be one that is in files
   * only. The bounds are those of `PartitionLog.read`.
   */
  read(offset: Offset, maxBytes: number, upTo: Offset, minOneBatch: boolean): LogRead | undefined {
    const from = this.#find(offset);
    return from === undefined ? undefined : this.#readFrom(from, maxBytes, upTo, minOneBatch);
  }

  /** Whether `read` finds `offset`. */
  has(offset: Offset): boolean {
    return this.#find(offset) !== undefined;
  }

  #find(offset: Offset): number | undefined {
    this.#index.dropBefore(this.#arena.oldest);
    const from = this.#index.find(offset);
    if (from < 0) {
      return this.#index.count === 0 || offset < this.#writtenOffset ? undefined : 0;
    }
    const before = this.#index.baseOffset(from) < offset && this.#endOf(from) <= offset;
    return before ? from + 1 : from;
  }

  /** The same from the first batch that is not in segments; empty when there is none. */
  readUnwritten(maxBytes: number, upTo: Offset, minOneBatch: boolean): LogRead {
    return this.#readFrom(this.#firstUnwritten(), maxBytes, upTo, minOneBatch);
  }

  #readFrom(from: number, maxBytes: number, upTo: Offset, minOneBatch: boolean): LogRead {
    const parts: Uint8Array[] = [];
    const held: Extent[] = [];
    let bytes = 0;
    for (let i = from; i < this.#index.count; i++) {
      const size = this.#index.size(i);
      if (this.#index.baseOffset(i) >= upTo) break;
      if (bytes + size > maxBytes && !(minOneBatch && bytes === 0)) break;
      const extent = this.#arena.extent(this.#index.sequence(i));
      const at = this.#index.position(i);
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

  /** Takes what is not in segments yet, up to `end` and to the bound of one write; undefined when there is nothing. */
  takeUnwritten(end: Offset): UnwrittenPiece | undefined {
    const from = this.#firstUnwritten();
    if (from === this.#index.count || this.#index.baseOffset(from) >= end) return undefined;
    const parts: Uint8Array[] = [];
    const held: { readonly extent: Extent; readonly bytes: number; readonly offset: Offset }[] = [];
    let bytes = 0;
    let next = this.#writtenOffset;
    for (
      let i = from;
      i < this.#index.count && this.#index.baseOffset(i) < end && bytes < WRITE_BYTES;
      i++
    ) {
      const extent = this.#arena.extent(this.#index.sequence(i));
      const size = this.#index.size(i);
      const at = this.#index.position(i);
      parts.push(extent.bytes.subarray(at, at + size));
      extent.holds++;
      held.push({ extent, bytes: size, offset: this.#index.baseOffset(i) });
      bytes += size;
      next = this.#endOf(i);
    }
    this.#cutSinceTaken = Infinity;
    return {
      parts,
      bytes,
      written: () => {
        // What a truncation took meanwhile was counted off by it; the file is cut next in the order of files.
        const cut = this.#cutSinceTaken;
        for (const one of held) {
          if (one.offset >= cut) continue;
          one.extent.unwritten -= one.bytes;
          this.#unwrittenBytes -= one.bytes;
        }
        if (cut < 0) return;
        this.#writtenOffset = Math.max(this.#writtenOffset, Math.min(next, cut));
        this.#filesEnd = Math.max(this.#filesEnd, Math.min(next, cut));
      },
      release: () => {
        for (const { extent } of held) extent.holds--;
      },
    };
  }

  /** Base offset of the first batch that is not in segments, if there is one. */
  get unwrittenOffset(): Offset | undefined {
    const from = this.#firstUnwritten();
    return from === this.#index.count ? undefined : this.#index.baseOffset(from);
  }

  /** Everything below `offset` is in segments: there is no batch between. */
  writtenTo(offset: Offset): void {
    this.#writtenOffset = Math.max(this.#writtenOffset, offset);
  }

  /** The number of batches in memory when all of them are in segments. */
  #firstUnwritten(): number {
    let from = this.#index.find(this.#writtenOffset);
    if (from < 0 || this.#index.baseOffset(from) < this.#writtenOffset) from++;
    assert(
      from < this.#index.count || this.#unwrittenBytes === 0,
      "L2: what is not written is in the arena",
    );
    return from;
  }

  #endOf(index: number): Offset {
    const { bytes } = this.#arena.extent(this.#index.sequence(index));
    const delta = lastOffsetDeltaAt(bytes, this.#index.position(index));
    return this.#index.baseOffset(index) + delta + 1;
  }

  /** The headers of the batches that are not in segments, in order. */
  *unwritten(): Generator<BatchHeader> {
    for (let i = Math.max(0, this.#index.find(this.#writtenOffset)); i < this.#index.count; i++) {
      if (this.#index.baseOffset(i) < this.#writtenOffset) continue;
      const { bytes } = this.#arena.extent(this.#index.sequence(i));
      yield batchHeaderAt(bytes, this.#index.position(i), this.#index.size(i));
    }
  }

  /** Drops the batches from `offset` on. */
  cut(offset: Offset): void {
    this.#cutSinceTaken = Math.min(this.#cutSinceTaken, offset);
    while (this.#index.count > 0) {
      const last = this.#index.count - 1;
      if (this.#index.baseOffset(last) < offset) break;
      if (this.#index.baseOffset(last) >= this.#writtenOffset) {
        const size = this.#index.size(last);
        this.#arena.extent(this.#index.sequence(last)).unwritten -= size;
        this.#unwrittenBytes -= size;
      }
      this.#index.pop();
    }
    this.#writtenOffset = Math.min(this.#writtenOffset, offset);
    this.#filesEnd = Math.min(this.#filesEnd, offset);
  }

  /** Files below `offset` are no longer what was appended: from now on they are read, not the memory. */
  forgetBelow(offset: Offset): void {
    // A truncation may have come meanwhile: what was appended behind it is not in files yet.
    this.#index.dropBelow(Math.min(offset, this.#writtenOffset));
  }

  /** The log is gone: nobody waits for what was not written. */
  abandon(): void {
    this.cut(-1);
  }
}
