import type { Random } from "./random.ts";
import type { Millis } from "./units.ts";

/**
 * How long to wait before the next try of something that fails: not at all after the first failure, then twice as long
 * each time, up to a bound, with jitter: from half of that on. (Reads no clock.)
 */
export class Backoff {
  readonly #random: Random;
  readonly #firstMs: Millis;
  readonly #maxMs: Millis;
  #failures = 0;

  /** @param firstMs wait after the second failure in a row, at most */
  constructor(random: Random, firstMs: Millis, maxMs: Millis) {
    this.#random = random;
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Counts a failure. @returns for how long to wait now */
  failed(): Millis {
    const doublings = this.#failures++ - 1;
    if (doublings < 0) return 0;
    const ceiling = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(doublings, 30));
    return ceiling * (0.5 + this.#random.next() / 2);
  }

  /** It has succeeded, or there is a new reason to try. */
  reset(): void {
    this.#failures = 0;
  }
}
