import type { Bytes } from "../../../lib/units.ts";
import { batchHeaderAt, type BatchHeader } from "../../protocol/record-batch.ts";
import type { Segment } from "../segment.ts";
import { DamagedSegmentError } from "./batch-reader.ts";
import type { Pacer } from "./pacer.ts";

/** Positions in Kafka's indexes are 32-bit. */
const MAX_SEGMENT_BYTES = 2 ** 31 - 1;

/** Gathers batches for a new segment; those that stay as they are, neighbours in one piece. */
export class SegmentWriter {
  readonly segment: Segment;
  readonly #indexIntervalBytes: Bytes;
  readonly #pacer: Pacer;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The piece of kept batches at the end. */
  #kept: { readonly of: Uint8Array; readonly from: number; to: number } | undefined;

  constructor(segment: Segment, indexIntervalBytes: Bytes, pacer: Pacer) {
    this.segment = segment;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#pacer = pacer;
  }

  /** A batch as it lies in `bytes`, which must not change until `flush`. */
  keep(bytes: Uint8Array, batch: BatchHeader): void {
    this.#note(batch);
    const end = batch.position + batch.size;
    if (this.#kept?.of === bytes && this.#kept.to === batch.position) this.#kept.to = end;
    else {
      this.#endPiece();
      this.#kept = { of: bytes, from: batch.position, to: end };
    }
  }

  put(batch: Uint8Array): void {
    this.#note(batchHeaderAt(batch, 0, batch.length));
    this.#endPiece();
    this.#parts.push(batch);
  }

  #note(batch: BatchHeader): void {
    if (this.segment.size + batch.size > MAX_SEGMENT_BYTES) {
      throw new DamagedSegmentError("its records compress worse than they did: too large");
    }
    this.segment.appended(batch, this.#indexIntervalBytes);
    this.#bytes += batch.size;
  }

  #endPiece(): void {
    if (this.#kept === undefined) return;
    const { of, from, to } = this.#kept;
    this.#parts.push(of.subarray(from, to));
    this.#kept = undefined;
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    this.#endPiece();
    const parts = this.#parts;
    const bytes = this.#bytes;
    if (bytes === 0) return;
    this.#parts = [];
    this.#bytes = 0;
    await this.#pacer.io(this.segment.write(parts, bytes, this.#pacer.now));
    this.#pacer.spent(bytes);
  }
}
