import type { Scheduler, Timer } from "../../lib/clock.ts";

interface Planned {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Where virtual wall clocks begin: 2026-01-01T00:00:00Z. */
const EPOCH = 1_767_225_600_000;
/** Node tells of rejections that nobody handles only in a turn of the event loop. */
const TURN_EVERY = 500;
/** Fewer that were cancelled are not worth a look. */
const MANY = 500;

/**
 * Virtual time. What is planned runs in order of time, then of asking, one thing after the other; between two of them all
 * promise jobs run. Nothing else moves the world, so one seed gives one history.
 */
export class SimClock implements Scheduler {
  /** A binary heap. */
  readonly #heap: Planned[] = [];
  #now = 0;
  #order = 0;
  #steps = 0;
  #fingerprint = 0;
  /** So many of the heap, about, will not run. */
  #cancelled = 0;
  /** Called with what a callback throws; without it `run` throws. */
  onError: ((error: unknown) => void) | undefined;
  /** Called after each thing that happened, when all that followed from it at once has happened too. */
  afterStep: (() => Promise<void> | undefined) | undefined;

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return EPOCH + Math.floor(this.#now);
  }

  /** How many things have happened. */
  get steps(): number {
    return this.#steps;
  }

  /** Of all that has happened: when, and in which order it had been planned. The same in two runs of one seed. */
  get fingerprint(): number {
    return this.#fingerprint;
  }

  after(delay: number, callback: () => void): Timer {
    const one: Planned = {
      at: this.#now + Math.max(0, delay),
      order: this.#order++,
      callback,
    };
    this.#push(one);
    return {
      cancel: () => {
        if (one.callback === undefined) return;
        one.callback = undefined;
        this.#cancelled++;
        if (this.#cancelled > MANY && 2 * this.#cancelled > this.#heap.length) {
          this.#dropCancelled();
        }
      },
    };
  }

  soon(callback: () => void): void {
    this.after(0, callback);
  }

  /** Lets `ms` pass, or less when `stop` says so. */
  async run(ms: number, stop: () => boolean = () => false): Promise<void> {
    const until = this.#now + ms;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => {
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const next = (): void => {
        try {
          if (stop() || !this.#step(until)) resolve();
          else afterPromiseJobs(observe);
        } catch (error) {
          fail(error);
        }
      };
      const goOn = (): void => {
        if (this.#steps % TURN_EVERY === 0) setImmediate(next);
        else next();
      };
      const observe = (): void => {
        const observing = this.afterStep?.();
        if (observing === undefined) goOn();
        else observing.then(goOn, fail);
      };
      afterPromiseJobs(next);
    });
    await loopTurn();
  }

  /** Does the next thing. @returns false when nothing is left before `until` */
  #step(until: number): boolean {
    const one = this.#takeNext(until);
    const callback = one?.callback;
    if (one === undefined || callback === undefined) {
      this.#now = until;
      return false;
    }
    one.callback = undefined;
    this.#now = one.at;
    this.#steps++;
    const what = Math.imul(one.at * 1000, 0x9e3779b1) ^ one.order;
    this.#fingerprint = Math.imul(this.#fingerprint ^ what, 0x85ebca6b) >>> 0;
    try {
      callback();
    } catch (error) {
      if (this.onError === undefined) throw error;
      this.onError(error);
    }
    return true;
  }

  /** The first that has not been cancelled, if it is due by then; it is taken off. */
  #takeNext(until: number): Planned | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > until) return undefined;
      this.#pop();
      if (first.callback !== undefined) return first;
      this.#cancelled--;
    }
  }

  /** Most of what is planned is deadlines that are met: they are not to make the heap deep. */
  #dropCancelled(): void {
    const kept = this.#heap.filter(({ callback }) => callback !== undefined);
    this.#heap.length = 0;
    for (const one of kept) this.#push(one);
    this.#cancelled = 0;
  }

  #push(one: Planned): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(one);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(one, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = one;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      let least = heap[child];
      if (least === undefined) break;
      if (right !== undefined && before(right, least)) {
        child++;
        least = right;
      }
      if (!before(least, last)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Calls `next` when every promise job that is ready, and all that follow from them, have run: Node looks at its queue of
 * ticks only when none is left. A turn of the event loop would say the same at several times the price, a promise at
 * some more.
 */
function afterPromiseJobs(next: () => void): void {
  queueMicrotask(() => {
    process.nextTick(next);
  });
}

function loopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
