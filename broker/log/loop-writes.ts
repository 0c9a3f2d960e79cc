import type { Scheduler } from "../../lib/clock.ts";
import type { Bytes, Millis } from "../../lib/units.ts";

/** A fast disk takes little longer for so much than for a page. */
const LARGEST_BYTES: Bytes = 64 * 1024;
/** What the loop waits for a write in the mean, at most. */
const LIMIT_MS: Millis = 0.75;
/** Of how many writes the mean is, about: one of them that takes ten times as long as the others does not say that all will. */
const MEAN_OF = 16;
const OFF_LOOP_MS: Millis = 1000;

/**
 * Which of the journal's writes are done on the loop. To wait there for a fast disk takes less time, and much less CPU, than
 * two changes of threads. A disk that is not fast is found out by the first writes, and asked from another thread then, but
 * for one write a second which tells whether it still is not. (core)
 */
export class LoopWrites {
  readonly #scheduler: Scheduler;
  #mean: Millis = 0;
  #offUntil: Millis = -Infinity;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** @param write returns whether it was done; @returns the same, false without a try when the loop is not to wait for it */
  attempt(bytes: Bytes, write: () => boolean): boolean {
    const began = this.#scheduler.now();
    if (bytes > LARGEST_BYTES || began < this.#offUntil || !write()) return false;
    const ended = this.#scheduler.now();
    this.#mean += (ended - began - this.#mean) / MEAN_OF;
    if (this.#mean > LIMIT_MS) {
      this.#offUntil = ended + OFF_LOOP_MS;
      this.#mean = LIMIT_MS;
    }
    return true;
  }
}
