import type { Millis } from "../../lib/units.ts";

/**
 * What somebody may still use: it fills at a rate, holds what comes in `burstSeconds` of it, and may be overdrawn. Who has
 * overdrawn it waits until it is even again. (core)
 */
export class TokenBucket {
  #tokens: number;
  #filledAt: Millis;

  /** Full. */
  constructor(rate: number, burstSeconds: number, now: Millis) {
    this.#tokens = rate * burstSeconds;
    this.#filledAt = now;
  }

  /** @param rate a second; it may differ from call to call. @returns how long what is overdrawn takes to come in. */
  debt(rate: number, burstSeconds: number, now: Millis): Millis {
    const passed = Math.max(0, now - this.#filledAt);
    this.#filledAt = Math.max(this.#filledAt, now);
    this.#tokens = Math.min(rate * burstSeconds, this.#tokens + (rate * passed) / 1000);
    return this.#tokens >= 0 ? 0 : (-this.#tokens / rate) * 1000;
  }

  /** Takes `amount` out, whether it is there or not. @returns as `debt`, after it. */
  take(amount: number, rate: number, burstSeconds: number, now: Millis): Millis {
    this.debt(rate, burstSeconds, now);
    this.#tokens -= amount;
    return this.debt(rate, burstSeconds, now);
  }
}
