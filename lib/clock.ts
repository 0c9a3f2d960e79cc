import type { EpochMillis, Millis } from "./units.ts";

/** A pending callback; cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time and deferral for code that runs in the simulator. The real one is
 * `realScheduler`, made at the edge; the simulator has its own on virtual time.
 */
export interface Scheduler {
  /** Monotonic milliseconds, possibly fractional. */
  now(): Millis;
  /** Wall clock; may jump. Never used to decide safety. */
  wallNow(): EpochMillis;
  /** Runs `callback` once, no sooner than `delay` from now. A throw is an invariant error of ours. */
  after(delay: Millis, callback: () => void): Timer;
  /** Runs `callback` at the end of this loop turn, when all input that was ready has been handled. */
  soon(callback: () => void): void;
}

/** An object and not a closure: there is one for each fetch that waits. */
class RealTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(delay: Millis, callback: () => void) {
    this.#handle = setTimeout(callback, Math.max(0, delay));
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The process's own clock and event loop (edge). */
export const realScheduler: Scheduler = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after: (delay, callback) => new RealTimer(delay, callback),
  soon: (callback) => {
    setImmediate(callback);
  },
};

/** Resolves after `delay` on the given scheduler. */
export function sleep(scheduler: Scheduler, delay: Millis): Promise<void> {
  return new Promise((resolve) => scheduler.after(delay, resolve));
}

/** RFC 3339 with six fractional digits (metav1.MicroTime); with three the API server refuses it. */
export function microTime(epochMillis: EpochMillis): string {
  return new Date(epochMillis).toISOString().replace("Z", "000Z");
}

/** RFC 3339 with whole seconds (metav1.Time). */
export function secondTime(epochMillis: EpochMillis): string {
  return new Date(epochMillis).toISOString().replace(/\.\d+Z$/, "Z");
}
