import { assert } from "../../lib/assert.ts";
import { Gate } from "../../lib/gate.ts";

/** Extents kept for the next use beside those of the pool; more than that were needed in a burst. */
const MAX_FREE = 8;

/** A piece of memory that appends fill one after the other. Recycled when nothing needs its content any more. */
export interface Extent {
  bytes: Uint8Array;
  /** Grows by one with each extent taken into use; older ones are recycled first. */
  sequence: number;
  filled: number;
  /** Readers, and writers of segments, that still use the bytes. */
  holds: number;
  /** Pieces that the journal has not synced yet. */
  unsynced: number;
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
  /** Extents are whole blocks, so that what the journal writes of them can be. */
  readonly #blockBytes: number;
  readonly #budgetBytes: number;
  readonly #maxUnsyncedBytes: number;
  readonly #extents: Extent[] = [];
  /** Memory for as many extents as the budget has, used before any other; none in a test. */
  readonly #pool: Uint8Array;
  #poolUsed = 0;
  readonly #freeOfPool: Uint8Array[] = [];
  readonly #free: Uint8Array[] = [];
  /** Given up while somebody still uses their bytes, which are never used again. */
  #detached: Extent[] = [];
  #nextSequence = 0;
  #bytes = 0;
  #halted = false;
  /** Bytes that the journal has not synced yet; it keeps count. */
  unsyncedBytes = 0;
  /** Appends may go on: segments and journal have caught up. */
  readonly relief = new Gate(() => this.#halted || !this.congested);

  constructor(options: {
    readonly budgetBytes: number;
    readonly extentBytes: number;
    readonly maxUnsyncedBytes?: number;
    readonly pool?: Uint8Array;
    readonly blockBytes?: number;
  }) {
    this.#blockBytes = options.blockBytes ?? 1;
    this.#pool = options.pool ?? new Uint8Array(0);
    this.#budgetBytes = options.budgetBytes;
    this.#maxUnsyncedBytes = options.maxUnsyncedBytes ?? Infinity;
    this.#extentBytes = options.extentBytes;
  }

  /** Sequence of the oldest extent whose content is still there. */
  get oldest(): number {
    return this.#extents[0]?.sequence ?? this.#nextSequence;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Bytes beside these that readers hold of what was given up: answers that clients do not take. */
  get detachedBytes(): number {
    this.#sweep();
    return this.#detached.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** What nobody uses any more goes back to the pool, or away. */
  #sweep(): void {
    if (this.#detached.length === 0) return;
    for (const { holds, bytes } of this.#detached) {
      if (holds === 0 && this.#isOfPool(bytes)) this.#freeOfPool.push(bytes);
    }
    this.#detached = this.#detached.filter(({ holds }) => holds > 0);
  }

  #isOfPool(bytes: Uint8Array): boolean {
    return this.#pool.length > 0 && bytes.buffer === this.#pool.buffer;
  }

  /** Memory for an extent of `length` bytes or the usual size. */
  #memory(length: number): Uint8Array {
    if (length > this.#extentBytes) {
      return new Uint8Array(Math.ceil(length / this.#blockBytes) * this.#blockBytes);
    }
    const used = this.#freeOfPool.pop() ?? this.#unusedOfPool();
    if (used !== undefined) return used;
    this.#sweep();
    return this.#freeOfPool.pop() ?? this.#free.pop() ?? new Uint8Array(this.#extentBytes);
  }

  #unusedOfPool(): Uint8Array | undefined {
    const from = this.#poolUsed;
    if (from + this.#extentBytes > this.#pool.length) return undefined;
    this.#poolUsed += this.#extentBytes;
    return this.#pool.subarray(from, this.#poolUsed);
  }
  /**
   * The volume has fallen behind: segments by the budget, or the journal by what an acknowledgement would wait for too long.
   * Clients' appends are to wait until it has caught up.
   */
  get congested(): boolean {
    return this.#bytes > this.#budgetBytes || this.unsyncedBytes > this.#maxUnsyncedBytes;
  }
  /** Behind by twice the budget, whoever it was that did not wait: nothing may be appended. */
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
    const bytes = this.#memory(length);
    this.#bytes += bytes.length;
    const extent = {
      bytes,
      sequence: this.#nextSequence++,
      filled: 0,
      holds: 0,
      unsynced: 0,
      unwritten: 0,
    };
    this.#extents.push(extent);
    return extent;
  }

  /**
   * Gives up the oldest extents, in order, as far as the budget asks and their content is in journal and segments. A reader that
   * still has views of one keeps its memory alive, but not its place: one that never ends would else stop all appends.
   */
  recycle(wanted: number): void {
    while (this.#bytes + Math.max(wanted, this.#extentBytes) > this.#budgetBytes) {
      const first = this.#extents[0];
      if (first === undefined || first.unwritten > 0 || first.unsynced > 0) return;
      this.#extents.shift();
      this.#bytes -= first.bytes.length;
      if (first.holds > 0) this.#detached.push(first);
      else if (this.#isOfPool(first.bytes)) this.#freeOfPool.push(first.bytes);
      else if (first.bytes.length === this.#extentBytes && this.#free.length < MAX_FREE)
        this.#free.push(first.bytes);
    }
  }

  /** Whether the volume takes nothing at all: appends are refused then, and it is of no use to wait. */
  set halted(halted: boolean) {
    this.#halted = halted;
    if (halted) this.relief.wake();
  }

  /** Something came into journal or segments: what that frees is given up, and who waited for it goes on. */
  caughtUp(): void {
    if (!this.congested && this.relief.waiting === 0) return;
    this.recycle(0);
    this.relief.wake();
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
    while (this.#count > 0 && this.sequence(0) < oldestSequence) this.#shift();
  }

  /** Forgets entries that begin below `offset`. */
  dropBelow(offset: number): void {
    while (this.#count > 0 && this.baseOffset(0) < offset) this.#shift();
  }

  #shift(): void {
    this.#start = (this.#start + 1) % this.#capacity;
    this.#count--;
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
