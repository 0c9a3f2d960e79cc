import type { Scheduler, Timer } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Millis } from "../lib/units.ts";

export interface WorkQueueOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Reconciles one key; a rejection puts the key back after its back-off. */
  readonly handler: (key: string) => Promise<void>;
  readonly onError: (key: string, error: unknown, failures: number) => void;
  /** Keys handled at the same time; default 1. */
  readonly concurrency?: number;
  /** Default 50 ms. */
  readonly firstBackoffMs?: Millis;
  /** Default 30 s. */
  readonly longestBackoffMs?: Millis;
}

/**
 * The queue of a level-based controller: a key waits at most once, is never handled twice at the same time, and comes
 * back after an exponential, jittered back-off of its own when its handler fails. A key added while it is handled is
 * handled once more. Bounded by the number of distinct keys.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready = new Set<string>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly timer: Timer; readonly due: Millis }>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Handles `key` as soon as there is room. A back-off or delay that is pending for it is cut short. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#cancelDelay(key);
    if (this.#active.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#fill();
  }

  /** Handles `key` after `delay` ms; of several delays the soonest counts. */
  addAfter(key: string, delay: Millis): void {
    if (this.#stopped) return;
    const { scheduler } = this.#options;
    const due = scheduler.now() + delay;
    const pending = this.#delayed.get(key);
    if (pending !== undefined && pending.due <= due) return;
    this.#cancelDelay(key);
    const timer = scheduler.after(delay, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { timer, due });
  }

  /** Starts no handler any more; those that run end by themselves. */
  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#ready.clear();
    this.#again.clear();
  }

  /** Keys that wait, are delayed or are being handled. */
  get size(): number {
    return new Set([...this.#ready, ...this.#delayed.keys(), ...this.#active]).size;
  }

  #fill(): void {
    const concurrency = this.#options.concurrency ?? 1;
    for (const key of this.#ready) {
      if (this.#stopped || this.#active.size >= concurrency) return;
      this.#ready.delete(key);
      this.#active.add(key);
      void this.#handle(key);
    }
  }

  async #handle(key: string): Promise<void> {
    try {
      await this.#options.handler(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      this.#options.onError(key, error, failures);
      if (!this.#again.has(key)) this.addAfter(key, this.#backoff(failures));
    } finally {
      this.#active.delete(key);
      if (this.#again.delete(key) && !this.#stopped) this.#ready.add(key);
      this.#fill();
    }
  }

  #backoff(failures: number): Millis {
    const first = this.#options.firstBackoffMs ?? 50;
    const longest = this.#options.longestBackoffMs ?? 30_000;
    const ceiling = Math.min(longest, first * 2 ** Math.min(failures - 1, 30));
    return ceiling / 2 + (this.#options.random.next() * ceiling) / 2;
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }
}
