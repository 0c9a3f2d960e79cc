import type { Millis } from "../../lib/units.ts";

/**
 * When this broker last heard from those who could have deposed it (docs/invariants.md R7): its controller, the API, or,
 * as the controller, a majority of the brokers. Looked at on each acknowledgement and each read, so that a process
 * that was frozen does not serve on waking.
 *
 * After a silence of the session timeout leaderships may have moved, and the news of it may still be on the way: being
 * heard again is not enough, the recorded state must have been read as well. (core)
 */
export class Contact {
  readonly #sessionTimeoutMs: Millis;
  #last: Millis;
  #lapsed = false;
  /** Called when the recorded state has to be read before contact counts again; the answer is `refreshed`. */
  onLapse: (() => void) | undefined;

  constructor(sessionTimeoutMs: Millis, now: Millis) {
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#last = now;
  }

  /** @param at when what was answered had been asked. */
  heard(at: Millis): void {
    if (this.#lapsed) return;
    if (at - this.#last > this.#sessionTimeoutMs) this.lapse();
    else this.#last = Math.max(this.#last, at);
  }

  /** What is known may be out of date: for example, the controller has taken this broker for dead. */
  lapse(): void {
    if (this.#lapsed) return;
    this.#lapsed = true;
    this.onLapse?.();
  }

  /** The recorded state is known as of `at`, or later. */
  refreshed(at: Millis): void {
    this.#lapsed = false;
    this.#last = Math.max(this.#last, at);
  }

  get lapsed(): boolean {
    return this.#lapsed;
  }

  inTouch(now: Millis): boolean {
    return !this.#lapsed && now - this.#last <= this.#sessionTimeoutMs;
  }

  silence(now: Millis): Millis {
    return now - this.#last;
  }
}
