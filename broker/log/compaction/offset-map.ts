import { hash } from "node:crypto";
import type { Bytes } from "../../../lib/units.ts";
import type { Offset } from "../types.ts";

/** 16 bytes of hash and the offset. */
const SLOT_BYTES = 24;
/** Above this share of used slots a look-up takes too many steps. */
const LOAD_FACTOR = 0.9;

/**
 * The newest offset of each key, in bounded memory: keys are known by 128 bits of their SHA-256, which no two keys of a
 * topic share. (core)
 */
export class OffsetMap {
  readonly #slots: number;
  readonly #hashes: Uint32Array;
  /** The offset plus one; zero for an empty slot. */
  readonly #offsets: Float64Array;
  readonly capacity: number;
  #size = 0;
  readonly #words: [number, number, number, number] = [0, 0, 0, 0];

  /** @param keys at most so many are ever put in: nothing is reserved beyond that. */
  constructor(maxBytes: Bytes, keys = Infinity) {
    const most = Math.max(2, Math.floor(maxBytes / SLOT_BYTES));
    this.#slots = Math.min(most, Math.ceil(keys / LOAD_FACTOR) + 2);
    this.capacity = Math.max(1, Math.floor(this.#slots * LOAD_FACTOR));
    this.#hashes = new Uint32Array(4 * this.#slots);
    this.#offsets = new Float64Array(this.#slots);
  }

  get size(): number {
    return this.#size;
  }

  /** Notes a key's offset, which is above all noted before. @returns false when there is no room for another key. */
  put(key: Uint8Array, offset: Offset): boolean {
    const slot = this.#find(key);
    if (this.#offsets[slot] === 0) {
      if (this.#size >= this.capacity) return false;
      this.#hashes.set(this.#words, 4 * slot);
      this.#size++;
    }
    this.#offsets[slot] = offset + 1;
    return true;
  }

  /** The newest offset of a key, -1 when it is not known. */
  get(key: Uint8Array): Offset {
    return (this.#offsets[this.#find(key)] ?? 0) - 1;
  }

  /** The key's slot, or the empty one where it belongs. There is always an empty one. */
  #find(key: Uint8Array): number {
    // As text the digest costs a third of what it costs as a buffer.
    const digest = hash("sha256", key, "binary");
    for (let word = 0; word < 4; word++) {
      const at = 4 * word;
      this.#words[word] =
        ((digest.charCodeAt(at) << 24) |
          (digest.charCodeAt(at + 1) << 16) |
          (digest.charCodeAt(at + 2) << 8) |
          digest.charCodeAt(at + 3)) >>>
        0;
    }
    const [first, second, third, fourth] = this.#words;
    let slot = first % this.#slots;
    while (this.#offsets[slot] !== 0) {
      const at = 4 * slot;
      if (
        this.#hashes[at] === first &&
        this.#hashes[at + 1] === second &&
        this.#hashes[at + 2] === third &&
        this.#hashes[at + 3] === fourth
      ) {
        return slot;
      }
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
    return slot;
  }
}
