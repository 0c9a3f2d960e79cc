import type { Scheduler, Timer } from "../../lib/clock.ts";

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time for tests: nothing happens but what `advance` or `settle` lets happen, in order of time, then of asking. */
export class VirtualScheduler implements Scheduler {
  #now = 0;
  #order = 0;
  #planned: Planned[] = [];
  readonly #epoch: number;

  constructor(epoch = 1_700_000_000_000) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#now;
  }
  wallNow(): number {
    return this.#epoch + Math.floor(this.#now);
  }
  after(delay: number, callback: () => void): Timer {
    const one = {
      at: this.#now + Math.max(0, delay),
      order: this.#order++,
      callback,
      cancelled: false,
    };
    this.#planned.push(one);
    return {
      cancel: () => {
        one.cancelled = true;
      },
    };
  }
  soon(callback: () => void): void {
    this.after(0, callback);
  }

  /** Runs what is due within `ms`, and all that follows from it. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await drain();
    for (;;) {
      this.#planned = this.#planned.filter((one) => !one.cancelled);
      let next: Planned | undefined;
      for (const one of this.#planned) {
        if (
          one.at <= until &&
          (next === undefined || one.at < next.at || (one.at === next.at && one.order < next.order))
        ) {
          next = one;
        }
      }
      if (next === undefined) break;
      this.#planned.splice(this.#planned.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await drain();
    }
    this.#now = until;
  }

  /** Waits for a promise by letting time pass, at most `limit` ms. */
  async until<T>(promise: Promise<T>, limit = 60_000): Promise<T> {
    let state: { readonly value: T } | { readonly error: unknown } | undefined;
    promise.then(
      (value) => (state = { value }),
      (error: unknown) => (state = { error }),
    );
    for (let passed = 0; passed <= limit && state === undefined; passed++) await this.advance(1);
    if (state === undefined) throw new Error(`not settled within ${limit} ms of virtual time`);
    if ("error" in state) throw state.error;
    return state.value;
  }
}

/** Lets every promise job that is ready run. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
