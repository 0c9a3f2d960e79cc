import type { Scheduler, Timer } from "../../../lib/clock.ts";
import type { Bytes, Millis } from "../../../lib/units.ts";

/** Work at a stretch on the event loop. */
const SLICE_MS: Millis = 2;
/** For each millisecond of work the loop is left to others for so many. */
const REST_FACTOR = 3;
/** Less owed than this is not waited for by itself. */
const LEAST_WAIT_MS: Millis = 1;

/** The work has lost its point: what it was about has changed, or the broker stops. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
}

/**
 * Keeps background work to small slices of the event loop and to a rate of bytes, and ends it, with GivenUp, when it has
 * lost its point.
 */
export class Pacer {
  readonly #scheduler: Scheduler;
  readonly #bytesPerSecond: number;
  readonly #wanted: () => boolean;
  #sliceStart: Millis;
  /** Worked in this slice before the present stretch. */
  #worked: Millis = 0;
  /** When all the bytes so far would have been done at that rate. */
  #paidUntil: Millis;
  #waiting: { readonly timer: Timer; readonly resolve: () => void } | undefined;

  /** @param wanted whether to go on; looked at after each wait. */
  constructor(scheduler: Scheduler, bytesPerSecond: number, wanted: () => boolean) {
    this.#scheduler = scheduler;
    this.#bytesPerSecond = bytesPerSecond;
    this.#wanted = wanted;
    this.#sliceStart = scheduler.now();
    this.#paidUntil = scheduler.now();
  }

  get now(): Millis {
    return this.#scheduler.now();
  }

  /** The slice is used up: `pause` before going on. */
  get due(): boolean {
    return this.#worked + this.#scheduler.now() - this.#sliceStart >= SLICE_MS;
  }

  /** Waits for something that is not done on the event loop. What fails when nobody wants it any more is GivenUp. */
  async io<T>(work: T | Promise<T>): Promise<T> {
    if (!(work instanceof Promise)) return work;
    this.#worked += this.#scheduler.now() - this.#sliceStart;
    try {
      return await work;
    } finally {
      this.#sliceStart = this.#scheduler.now();
      this.#check();
    }
  }

  /** Bytes were read or written. */
  spent(bytes: Bytes): void {
    const start = Math.max(this.#paidUntil, this.#scheduler.now() - LEAST_WAIT_MS);
    this.#paidUntil = start + (bytes * 1000) / this.#bytesPerSecond;
  }

  /** Lets others go on. */
  async pause(): Promise<void> {
    const now = this.#scheduler.now();
    const worked = this.#worked + now - this.#sliceStart;
    const wait = Math.max(worked * REST_FACTOR, this.#paidUntil - now);
    await new Promise<void>((resolve) => {
      if (wait < LEAST_WAIT_MS) this.#scheduler.soon(resolve);
      else this.#waiting = { timer: this.#scheduler.after(wait, resolve), resolve };
    });
    this.#waiting = undefined;
    this.#worked = 0;
    this.#sliceStart = this.#scheduler.now();
    this.#check();
  }

  /** Ends a pause early, however long it was to be. */
  wake(): void {
    this.#waiting?.timer.cancel();
    this.#waiting?.resolve();
  }

  #check(): void {
    if (!this.#wanted()) throw new GivenUp("the log has changed, or the broker stops");
  }
}
