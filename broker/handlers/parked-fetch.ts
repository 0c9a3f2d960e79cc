import type { Scheduler, Timer } from "../../lib/clock.ts";
import { appended } from "../../lib/small-list.ts";
import type { Millis } from "../../lib/units.ts";

/** A fetch that waits: `onWake` is called once, by whatever comes first of what it waits for and its time. (core) */
export class ParkedFetch {
  readonly #onWake: () => void;
  readonly #timer: Timer;
  #stops: (() => void)[] = [];
  #woken = false;

  constructor(scheduler: Scheduler, timeout: Millis, onWake: () => void) {
    this.#onWake = onWake;
    this.#timer = scheduler.after(timeout, this.wake);
  }

  /** Waits also for what `listen` asks to be told of; it returns how to be told no longer. */
  until(listen: (wake: () => void) => () => void): void {
    const stop = listen(this.wake);
    if (this.#woken) stop();
    else this.#stops = appended(this.#stops, stop);
  }

  readonly wake = (): void => {
    if (this.#woken) return;
    this.#woken = true;
    this.#timer.cancel();
    for (const stop of this.#stops) stop();
    // Whoever still holds this, among the old objects, is not to hold those as well.
    this.#stops = [];
    this.#onWake();
  };
}
