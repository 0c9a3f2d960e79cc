import type { Offset } from "./types.ts";

/** Offsets and file positions, both growing, in typed arrays. (core) */
export class SparseIndex {
  #offsets = new Float64Array(8);
  #positions = new Float64Array(8);
  #count = 0;

  get count(): number {
    return this.#count;
  }
  get lastPosition(): number {
    return this.#count === 0 ? -1 : (this.#positions[this.#count - 1] ?? -1);
  }

  push(offset: Offset, position: number): void {
    if (this.#count === this.#offsets.length) {
      const offsets = new Float64Array(2 * this.#count);
      const positions = new Float64Array(2 * this.#count);
      offsets.set(this.#offsets);
      positions.set(this.#positions);
      this.#offsets = offsets;
      this.#positions = positions;
    }
    this.#offsets[this.#count] = offset;
    this.#positions[this.#count] = position;
    this.#count++;
  }

  /**
   * Position of the last indexed batch whose last offset is below `offset`; 0 when there is none. (An entry names the
   * last offset of the batch at its position, as Kafka's do, so that batch may hold `offset` only if they are equal.)
   */
  floor(offset: Offset): number {
    return this.entryAt(offset)?.position ?? 0;
  }

  /** The entry whose position `floor` returns. */
  entryAt(offset: Offset): { readonly lastOffset: Offset; readonly position: number } | undefined {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle - 1;
    }
    if (high < 0) return undefined;
    return { lastOffset: this.#offsets[high] ?? 0, position: this.#positions[high] ?? 0 };
  }
}
