import { SECOND } from "../../lib/units.ts";
import type { Millis } from "../../lib/units.ts";

const FIRST: Millis = SECOND;
const LONGEST: Millis = 30 * SECOND;
/** A process that ran this long starts again at once. */
const STABLE: Millis = 3 * SECOND;

/**
 * How long a process that ended waits before it is started again (core): the first time not at all, then 1 s, 2 s,
 * 4 s … 30 s. Shorter than in Kubernetes (10 s … 5 min): on a laptop somebody waits.
 */
export class RestartBackoff {
  #next: Millis = 0;

  /** @param ran how long the process that has ended now had run */
  ended(ran: Millis): Millis {
    if (ran >= STABLE) this.#next = 0;
    const delay = this.#next;
    this.#next = delay === 0 ? FIRST : Math.min(LONGEST, delay * 2);
    return delay;
  }
}
