import { MINUTE, SECOND, type Millis } from "../../lib/units.ts";

/** What was written so lately is still in memory of the machine, and was checked when it came. */
export const RECENT_MS: Millis = 10 * MINUTE;
const SPACING_MS: Millis = 30 * SECOND;

/**
 * From which position of a file on everything was written a short time ago, by this process: there the checksums of
 * batches say nothing new. What is older, or was found at the start, may have suffered on the disk. (core)
 */
export class RecentWrites {
  /** Nothing from `position` on was written before `at`. */
  #marks: { readonly position: number; readonly at: Millis }[] = [];

  noted(position: number, now: Millis): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && now - last.at < SPACING_MS) return;
    this.#forget(now - RECENT_MS);
    this.#marks.push({ position, at: now });
  }

  /** @returns from where on nothing was written before `since`; Infinity when nothing was written after it. */
  from(since: Millis): number {
    this.#forget(since);
    return this.#marks[0]?.position ?? Infinity;
  }

  /** The file was cut, or replaced. */
  clear(): void {
    this.#marks = [];
  }

  #forget(before: Millis): void {
    while (this.#marks[0] !== undefined && this.#marks[0].at < before) this.#marks.shift();
  }
}
