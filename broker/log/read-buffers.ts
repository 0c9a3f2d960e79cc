import { MIB, type Bytes } from "../../lib/units.ts";

/** What one read of a segment brings at most; more than that is a single batch alone. */
export const READ_BYTES: Bytes = MIB;
/** The sparse index lands at most about so far before the offset. */
export const LOOKAHEAD_BYTES: Bytes = 64 * 1024;

/** Memory of one read, however little it brings. */
export const CHUNK_BYTES: Bytes = READ_BYTES + LOOKAHEAD_BYTES;
/** As many as answers may hold at once: garbage of this size is given back late. */
const MAX_FREE = 120;

/** Memory of a read, until it is given back. */
export interface ReadBuffer {
  readonly bytes: Uint8Array;
  release(): void;
}

/**
 * Memory for reads of segments, used again and again: a fresh megabyte for each read costs more in page faults and garbage
 * collection than the read itself. (core)
 */
export class ReadBuffers {
  readonly #free: Uint8Array[] = [];

  /** `length` bytes with any content. */
  take(length: Bytes): ReadBuffer {
    if (length > CHUNK_BYTES) {
      return { bytes: Buffer.allocUnsafeSlow(length), release: () => undefined };
    }
    const chunk = this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let held = true;
    return {
      bytes: chunk.subarray(0, length),
      release: () => {
        if (!held) return;
        held = false;
        if (this.#free.length < MAX_FREE) this.#free.push(chunk);
      },
    };
  }
}
