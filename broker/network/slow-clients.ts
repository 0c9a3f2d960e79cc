import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";

/** One that may be cut off for not taking its answers. */
export interface AnsweredClient {
  /** Since when it has taken no whole answer although there is one for it; undefined if there is none. */
  readonly waitingSince: Millis | undefined;
  /** Cuts it off. */
  stalled(waitedMs: Millis): void;
}

/**
 * Cuts off clients that do not take their answers, while memory for answers is short and only then: a slow client harms
 * nobody as long as there is enough. (core)
 */
export class SlowClients {
  readonly #scheduler: Scheduler;
  readonly #isShort: () => boolean;
  readonly #patienceMs: Millis;
  readonly #clients = new Set<AnsweredClient>();
  #planned = false;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly isShort: () => boolean;
    readonly patienceMs: Millis;
  }) {
    this.#scheduler = options.scheduler;
    this.#isShort = options.isShort;
    this.#patienceMs = options.patienceMs;
  }

  add(client: AnsweredClient): void {
    this.#clients.add(client);
  }
  remove(client: AnsweredClient): void {
    this.#clients.delete(client);
  }

  /** Memory has become short: looked at from now on until it is not. */
  watch(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#scheduler.after(this.#patienceMs / 4, () => {
      this.#planned = false;
      if (!this.#isShort()) return;
      this.#sweep();
      this.watch();
    });
  }

  #sweep(): void {
    const now = this.#scheduler.now();
    for (const client of [...this.#clients]) {
      const { waitingSince } = client;
      if (waitingSince === undefined || now - waitingSince < this.#patienceMs) continue;
      client.stalled(now - waitingSince);
    }
  }
}
