import type { Scheduler, Timer } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Millis } from "../lib/units.ts";
import type { Listening } from "./network/frame-channel.ts";

/** A port that could not be had is asked for again after this. */
const RETRY_MS: Millis = 5000;

/**
 * The listeners for clients from outside, opened and closed while the broker runs as the BrokerCluster says: none of
 * them is a reason to restart it. One that cannot be opened keeps neither the others nor the broker from serving.
 */
export class ClientListeners {
  readonly #open: (name: string, port: number) => Promise<Listening>;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #listening = new Map<string, { readonly port: number; readonly it: Listening }>();
  #wanted: ReadonlyMap<string, number> = new Map();
  #working: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #retry: Timer | undefined;

  /** @param open opens a listener on a port; rejects when the port cannot be had */
  constructor(options: {
    readonly open: (name: string, port: number) => Promise<Listening>;
    readonly scheduler: Scheduler;
    readonly logger: Logger;
  }) {
    this.#open = options.open;
    this.#scheduler = options.scheduler;
    this.#logger = options.logger;
  }

  /** @param ports of the listeners that are to be open, by name */
  want(ports: ReadonlyMap<string, number>): void {
    if (this.#closed) return;
    this.#wanted = ports;
    this.#look();
  }

  /** Closes all of them, and opens none any more. */
  async close(): Promise<void> {
    this.want(new Map());
    this.#closed = true;
    await this.#working;
  }

  #isAsWanted(): boolean {
    return (
      this.#wanted.size === this.#listening.size &&
      [...this.#wanted].every(([name, port]) => this.#listening.get(name)?.port === port)
    );
  }

  #look(): void {
    if (this.#working !== undefined) {
      this.#again = true;
      return;
    }
    this.#retry?.cancel();
    this.#retry = undefined;
    if (this.#isAsWanted()) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** One after the other: a port that one listener gives up may be another's. */
  async #work(): Promise<void> {
    do {
      this.#again = false;
      for (const [name, { port, it }] of [...this.#listening]) {
        if (this.#wanted.get(name) === port) continue;
        this.#listening.delete(name);
        await it.close();
        this.#logger.info("listener closed", { listener: name, port });
      }
      for (const [name, port] of this.#wanted) {
        if (!this.#listening.has(name)) await this.#begin(name, port);
      }
    } while (this.#again);
  }

  async #begin(name: string, port: number): Promise<void> {
    try {
      this.#listening.set(name, { port, it: await this.#open(name, port) });
      this.#logger.info("listener opened", { listener: name, port });
    } catch (error) {
      this.#logger.warn("a listener cannot be opened", {
        listener: name,
        port,
        error: String(error),
      });
      this.#retry ??= this.#scheduler.after(RETRY_MS, () => {
        this.#retry = undefined;
        this.#look();
      });
    }
  }
}
