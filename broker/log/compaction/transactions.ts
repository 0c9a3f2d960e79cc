import type { BatchHeader } from "../../protocol/record-batch.ts";
import type { Offset } from "../types.ts";

interface AbortedRange {
  readonly firstOffset: Offset;
  /** Of the marker. */
  readonly lastOffset: Offset;
}

/** The aborted transactions of a stretch of a log. Batches are given in order. (core) */
export class AbortedTransactions {
  readonly #open = new Map<number, Offset>();
  readonly #aborted = new Map<number, AbortedRange[]>();

  data({ producerId, baseOffset }: BatchHeader): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, baseOffset);
  }

  marker({ producerId, lastOffset }: BatchHeader, committed: boolean): void {
    const firstOffset = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (committed || firstOffset === undefined) return;
    const ranges = this.#aborted.get(producerId) ?? [];
    ranges.push({ firstOffset, lastOffset });
    this.#aborted.set(producerId, ranges);
  }

  /** First offset of the oldest transaction whose marker was not given; undefined when there is none. */
  get firstOpen(): Offset | undefined {
    let first: Offset | undefined;
    for (const offset of this.#open.values()) first = Math.min(first ?? offset, offset);
    return first;
  }

  /** Whether a batch's records were never committed. */
  has({ transactional, control, producerId, baseOffset }: BatchHeader): boolean {
    if (!transactional || control) return false;
    const ranges = this.#aborted.get(producerId) ?? [];
    // The last range that begins at or before the batch.
    let low = 0;
    let high = ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.firstOffset ?? Infinity) <= baseOffset) low = middle + 1;
      else high = middle - 1;
    }
    const range = ranges[high];
    return range !== undefined && baseOffset < range.lastOffset;
  }
}
