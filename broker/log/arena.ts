import { assert } from "../../lib/assert.ts";

/** A piece of memory that appends fill one after the other. Recycled when nothing needs its content any more. */
export interface Extent {
  bytes: Uint8Array;
  /** Grows by one with each extent taken into use; older ones are recycled first. */
  sequence: number;
  filled: number;
  /** Readers and writers that still use the bytes. */
  holds: number;
  /** Bytes of record batches that are not in their segment files yet. */
  unwritten: number;
}

/**
 * The memory of the broker's tail: everything appended lies here, in the order of the journal, until it is recycled.
 * One budget; entries never span extents; an extent is an object, an entry is not (garbage collection: one object a
 * batch ruins the latency). (core)
 */
export class Arena {
  readonly #extentBytes: number;
  readonly #budgetBytes: number;
  readonly #extents: Extent[] = [];
  readonly #free: Uint8Array[] = [];
  #nextSequence = 0;
  #bytes = 0;

  constructor(options: { readonly budgetBytes: number; readonly extentBytes: number }) {
    this.#budgetBytes = options.budgetBytes;
    this.#extentBytes = options.extentBytes;
  }

  /** Sequence of the oldest extent whose content is still there. */
  get oldest(): number {
    return this.#extents[0]?.sequence ?? this.#nextSequence;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Segments have fallen behind by more than the budget: nothing may be appended until they have caught up. */
  get overfull(): boolean {
    return this.#bytes > 2 * this.#budgetBytes;
  }

  extent(sequence: number): Extent {
    const extent = this.#extents[sequence - this.oldest];
    assert(
      extent?.sequence === sequence,
      "an entry's extent is there as long as its index says so",
    );
    return extent;
  }

  /** The extent with room for `length` bytes at its end. May go beyond the budget: see `overfull`. */
  room(length: number): Extent {
    const last = this.#extents.at(-1);
    if (last !== undefined && last.bytes.length - last.filled >= length) return last;
    this.recycle(length);
    const bytes =
      length <= this.#extentBytes
        ? (this.#free.pop() ?? new Uint8Array(this.#extentBytes))
        : new Uint8Array(length);
    this.#bytes += bytes.length;
    const extent = { bytes, sequence: this.#nextSequence++, filled: 0, holds: 0, unwritten: 0 };
    this.#extents.push(extent);
    return extent;
  }

  /** Gives up the oldest extents, in order, as far as the budget asks and nobody needs them. */
  recycle(wanted: number): void {
    while (this.#bytes + Math.max(wanted, this.#extentBytes) > this.#budgetBytes) {
      const first = this.#extents[0];
      if (first === undefined || first.holds > 0 || first.unwritten > 0) return;
      this.#extents.shift();
      this.#bytes -= first.bytes.length;
      if (first.bytes.length === this.#extentBytes) this.#free.push(first.bytes);
    }
  }
}

/**
 * Where the newest batches of one partition lie in the arena: a ring in typed arrays, oldest first. (core)
 */
export class TailIndex {
  #capacity = 8;
  #offsets = new Float64Array(8);
  #sequences = new Int32Array(8);
  #positions = new Int32Array(8);
  #sizes = new Int32Array(8);
  #start = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  #at(index: number): number {
    return (this.#start + index) % this.#capacity;
  }
  baseOffset(index: number): number {
    return this.#offsets[this.#at(index)] ?? -1;
  }
  sequence(index: number): number {
    return this.#sequences[this.#at(index)] ?? -1;
  }
  position(index: number): number {
    return this.#positions[this.#at(index)] ?? -1;
  }
  size(index: number): number {
    return this.#sizes[this.#at(index)] ?? 0;
  }

  push(baseOffset: number, sequence: number, position: number, size: number): void {
    if (this.#count === this.#capacity) this.#grow();
    const at = this.#at(this.#count);
    this.#offsets[at] = baseOffset;
    this.#sequences[at] = sequence;
    this.#positions[at] = position;
    this.#sizes[at] = size;
    this.#count++;
  }

  /** Forgets entries whose extent has been recycled. */
  dropBefore(oldestSequence: number): void {
    while (this.#count > 0 && this.sequence(0) < oldestSequence) {
      this.#start = (this.#start + 1) % this.#capacity;
      this.#count--;
    }
  }

  /** Forgets the newest entry. */
  pop(): void {
    this.#count--;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Index of the last entry whose base offset is at or below `offset`; -1 if there is none. */
  find(offset: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.baseOffset(middle) <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const offsets = new Float64Array(capacity);
    const sequences = new Int32Array(capacity);
    const positions = new Int32Array(capacity);
    const sizes = new Int32Array(capacity);
    for (let i = 0; i < this.#count; i++) {
      offsets[i] = this.baseOffset(i);
      sequences[i] = this.sequence(i);
      positions[i] = this.position(i);
      sizes[i] = this.size(i);
    }
    this.#offsets = offsets;
    this.#sequences = sequences;
    this.#positions = positions;
    this.#sizes = sizes;
    this.#start = 0;
    this.#capacity = capacity;
  }
}
