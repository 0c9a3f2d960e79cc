import { sleep } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { DamagedError } from "./damage.ts";
import type { LogContext } from "./log-context.ts";

/** Between two looks at whether damage has been repaired. */
const DAMAGE_RETRY_MS: Millis = 500;

export interface HeldWorkOptions {
  readonly context: LogContext;
  /** The work once more, as it is by then. */
  readonly again: () => Promise<void>;
  /** Reported each time, to be repaired from another replica. */
  readonly onDamage: (error: DamagedError) => void;
  /** Grows with each cut of the log: work of before it is given up. */
  readonly generation: () => number;
  readonly closed: () => boolean;
}

/** Work of a log that meets what is on disk, done again for as long as damage is in its way. */
export class HeldWork {
  readonly #options: HeldWorkOptions;
  #held = false;

  constructor(options: HeldWorkOptions) {
    this.#options = options;
  }

  /** Damage is in the way of something: the log takes nothing until that is done. */
  get held(): boolean {
    return this.#held;
  }

  /** The log begins anew: what was to be done is not any more. */
  release(): void {
    this.#held = false;
  }

  /** Resolves when it is done, or given up: the log was cut again or begun anew, or is closed. */
  async run(work: () => Promise<void>): Promise<void> {
    const { context, again, onDamage, generation, closed } = this.#options;
    const began = generation();
    for (let next = work; ; next = again) {
      try {
        await next();
        this.#held = false;
        return;
      } catch (error) {
        // The journal's reader knows what to do.
        if (!(error instanceof DamagedError) || context.replaying()) throw error;
        this.#held = true;
        onDamage(error);
      }
      await sleep(context.scheduler, DAMAGE_RETRY_MS);
      if (closed() || began !== generation()) return;
    }
  }
}
