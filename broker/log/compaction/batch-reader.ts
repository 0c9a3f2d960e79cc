import type { Bytes } from "../../../lib/units.ts";
import {
  batchHeaderAt,
  type BatchHeader,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  crcMatches,
} from "../../protocol/record-batch.ts";
import { DamagedError, type DamagedPlace } from "../damage.ts";
import type { Segment } from "../segment.ts";
import type { Pacer } from "./pacer.ts";

/** What is in a segment is not what was written, or no records: it cannot be compacted. */
export class DamagedSegmentError extends Error {
  override readonly name = "DamagedSegmentError";
  /** Where, if it is known. */
  readonly place: DamagedPlace | undefined;
  constructor(message: string, place?: DamagedPlace) {
    super(message);
    this.place = place;
  }
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
    const { baseOffset } = segment;
    let at = position;
    let next = baseOffset;
    for (;;) {
      if (at >= segment.written) {
        await refuseMissing(segment, position);
        // What a file lacked may have been brought meanwhile.
        if (at >= segment.written) return;
      }
      const want = Math.min(this.#buffer.length, segment.written - at);
      const filled = await this.#pacer.io(segment.read(at, this.#buffer.subarray(0, want)));
      this.#pacer.spent(filled);
      const bytes = this.#buffer.subarray(0, filled);
      const { last, end } = wholeBatches(bytes);
      if (end === 0) {
        const size = batchSizeAt(bytes, 0) ?? 0;
        if (size < BATCH_HEADER_BYTES || size > segment.written - at || size <= bytes.length) {
          const place = { offset: next, segment: baseOffset, position: at };
          throw new DamagedSegmentError(`a batch of ${size} bytes at ${at}`, place);
        }
        this.#buffer = new Uint8Array(size);
        continue;
      }
      const from = { offset: next, segment: baseOffset, position: at };
      yield { position: at, bytes, batches: () => checkedBatches(bytes, end, from) };
      next = batchHeaderAt(bytes, last, end - last).lastOffset + 1;
      at += end;
      await this.#pacer.pause();
    }
  }
}

/** Throws DamagedSegmentError. */
async function refuseMissing(segment: Segment, position: number): Promise<void> {
  try {
    await segment.refuseMissing(position, segment.written);
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    throw new DamagedSegmentError(error.message, error.place);
  }
}

/** Where the last whole batch begins, and where it ends. */
function wholeBatches(bytes: Uint8Array): { readonly last: number; readonly end: number } {
  let last = 0;
  let end = 0;
  for (;;) {
    const size = batchSizeAt(bytes, end);
    if (size === undefined || size < BATCH_HEADER_BYTES || end + size > bytes.length) {
      return { last, end };
    }
    last = end;
    end += size;
  }
}

/** @param from where the first one lies, and the offset that it begins with at the least */
function* checkedBatches(
  bytes: Uint8Array,
  end: number,
  from: DamagedPlace,
): Generator<BatchHeader> {
  let { offset } = from;
  for (let at = 0; at < end;) {
    const batch = batchHeaderAt(bytes, at, batchSizeAt(bytes, at) ?? 0);
    if (batch.magic !== 2 || !crcMatches(bytes, batch) || batch.baseOffset < offset) {
      const place = { ...from, offset, position: from.position + at };
      throw new DamagedSegmentError(`batch at offset ${offset} or behind`, place);
    }
    yield batch;
    offset = batch.lastOffset + 1;
    at += batch.size;
  }
}
