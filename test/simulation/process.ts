import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { SimClock } from "./clock.ts";

/** Thrown where a simulated process ends in the middle of its own code. */
export class Halted extends Error {
  override readonly name = "Halted";
}

/**
 * One process from its start to its end. Everything that reaches it (timers, frames, answers) comes through `run`: a dead
 * process does nothing any more, a paused one gets all of it when it goes on, in order.
 */
export class SimProcess {
  readonly host: string;
  readonly incarnation: number;
  /** Added to the wall clock. */
  skewMs: number;
  readonly #clock: SimClock;
  /** It has done something since somebody last set this to false. */
  ran = false;
  #alive = true;
  #paused = false;
  #backlog: (() => void)[] = [];
  #pausedAt = 0;
  /** Its pauses: from when, and for how long. */
  readonly freezes: { readonly from: number; readonly ms: number }[] = [];
  readonly #onEnd: (() => void)[] = [];

  constructor(host: string, incarnation: number, clock: SimClock, skewMs = 0) {
    this.host = host;
    this.incarnation = incarnation;
    this.#clock = clock;
    this.skewMs = skewMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#paused;
  }

  run(action: () => void): void {
    if (!this.#alive) return;
    if (this.#paused) {
      this.#backlog.push(action);
      return;
    }
    this.ran = true;
    try {
      action();
    } catch (error) {
      if (!(error instanceof Halted)) throw error;
    }
  }

  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#backlog = [];
    for (const action of this.#onEnd) action();
  }

  /** The environment's part in the end of the process, for example its sockets'. */
  onEnd(action: () => void): void {
    this.#onEnd.push(action);
  }

  /** SIGSTOP: its clocks go on, it does not. */
  pause(): void {
    if (!this.#paused) this.#pausedAt = this.#clock.now();
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.freezes.push({ from: this.#pausedAt, ms: this.#clock.now() - this.#pausedAt });
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const action of backlog) {
      this.#clock.after(0, () => {
        this.run(action);
      });
    }
  }

  /** A promise whose outcome reaches only a live process. */
  gate<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          this.run(() => {
            resolve(value);
          });
        },
        (error: unknown) => {
          this.run(() => {
            reject(error instanceof Error ? error : new Error(String(error)));
          });
        },
      );
    });
  }

  /** The clock as the process knows it. */
  readonly scheduler: Scheduler = {
    now: () => this.#clock.now(),
    wallNow: () => this.#clock.wallNow() + this.skewMs,
    after: (delay, callback): Timer =>
      this.#clock.after(delay, () => {
        this.run(callback);
      }),
    soon: (callback) => {
      this.#clock.after(0, () => {
        this.run(callback);
      });
    },
  };
}
