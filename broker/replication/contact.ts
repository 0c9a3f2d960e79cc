import type { Millis } from "../../lib/units.ts";

/**
 * When this broker last heard from those who could have deposed it (docs/invariants.md R7): its controller, the API, or,
 * as the controller, a majority of the brokers. Looked at on each acknowledgement and each read, so that a process
 * that was frozen does not serve on waking. (core)
 */
export class Contact {
  readonly #sessionTimeoutMs: Millis;
  #last: Millis;

  constructor(sessionTimeoutMs: Millis, now: Millis) {
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#last = now;
  }

  /** @param at when what was answered had been asked. */
  heard(at: Millis): void {
    this.#last = Math.max(this.#last, at);
  }

  inTouch(now: Millis): boolean {
    return now - this.#last <= this.#sessionTimeoutMs;
  }

  silence(now: Millis): Millis {
    return now - this.#last;
  }
}
