import type { Bytes } from "../../../lib/units.ts";
import {
  batchHeaderAt,
  type BatchHeader,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  crcMatches,
} from "../../protocol/record-batch.ts";
import type { Segment } from "../segment.ts";
import type { Pacer } from "./pacer.ts";

/** What is in a segment is not what was written: it cannot be compacted. */
export class DamagedSegmentError extends Error {
  override readonly name = "DamagedSegmentError";
}

/** Whole batches of a segment that lie in memory one behind the other, until the next chunk is read. */
export interface Chunk {
  /** Where it begins in the file. */
  readonly position: number;
  readonly bytes: Uint8Array;
  /** Each checked when it is come to. Throws DamagedSegmentError. */
  readonly batches: () => Generator<BatchHeader>;
}

/** Reads a segment from front to back through one buffer, which grows for a batch that is larger. */
export class BatchReader {
  readonly #bufferBytes: Bytes;
  readonly #pacer: Pacer;
  #buffer: Uint8Array;

  constructor(bufferBytes: Bytes, pacer: Pacer) {
    this.#bufferBytes = Math.max(bufferBytes, BATCH_HEADER_BYTES);
    this.#pacer = pacer;
    this.#buffer = new Uint8Array(this.#bufferBytes);
  }

  /**
   * The chunks from `position` to the end of what is written; the pace is kept between them. Throws DamagedSegmentError.
   */
  async *chunks(segment: Segment, position = 0): AsyncGenerator<Chunk> {
    let at = position;
    while (at < segment.written) {
      const want = Math.min(this.#buffer.length, segment.written - at);
      const filled = await this.#pacer.io(segment.read(at, this.#buffer.subarray(0, want)));
      this.#pacer.spent(filled);
      const bytes = this.#buffer.subarray(0, filled);
      const end = wholeBatches(bytes);
      if (end === 0) {
        this.#growFor(bytes, segment.written - at);
        continue;
      }
      yield { position: at, bytes, batches: () => checkedBatches(bytes, end) };
      at += end;
      await this.#pacer.pause();
    }
  }

  /** For a batch that is larger than the buffer. */
  #growFor(bytes: Uint8Array, left: number): void {
    const size = batchSizeAt(bytes, 0) ?? 0;
    if (size < BATCH_HEADER_BYTES || size > left || size <= this.#buffer.length) {
      throw new DamagedSegmentError(`a batch of ${size} bytes where ${left} are left`);
    }
    this.#buffer = new Uint8Array(size);
  }
}

/** Where the last whole batch ends. */
function wholeBatches(bytes: Uint8Array): number {
  let end = 0;
  for (;;) {
    const size = batchSizeAt(bytes, end);
    if (size === undefined || size < BATCH_HEADER_BYTES || end + size > bytes.length) return end;
    end += size;
  }
}

function* checkedBatches(bytes: Uint8Array, end: number): Generator<BatchHeader> {
  let nextOffset = -1;
  for (let at = 0; at < end;) {
    const batch = batchHeaderAt(bytes, at, batchSizeAt(bytes, at) ?? 0);
    if (batch.magic !== 2 || !crcMatches(bytes, batch) || batch.baseOffset < nextOffset) {
      throw new DamagedSegmentError(`batch at offset ${batch.baseOffset}`);
    }
    yield batch;
    nextOffset = batch.lastOffset + 1;
    at += batch.size;
  }
}
