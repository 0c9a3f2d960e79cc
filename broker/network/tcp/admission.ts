import type { Logger } from "../../../lib/logger.ts";
import type { ListenOptions } from "../frame-channel.ts";

const LOG_EVERY_MS = 1000;

/**
 * Which connections a listener takes (edge): up to max.connections, and up to max.connections.per.ip of one address. Who
 * opens many is told of in one line a second, not in one each.
 */
export class Admission {
  readonly #maxConnections: number;
  readonly #maxPerIp: (address: string) => number;
  readonly #logger: Logger;
  readonly #byAddress = new Map<string, number>();
  #open = 0;
  #refused = 0;
  #loggedAt = -Infinity;

  constructor(options: ListenOptions, logger: Logger) {
    this.#maxConnections = options.maxConnections;
    this.#maxPerIp = options.maxConnectionsPerIp ?? (() => Infinity);
    this.#logger = logger;
  }

  /** Takes a place for a connection of that address; false when there is none. */
  admit(address: string, remote: string): boolean {
    const ofAddress = this.#byAddress.get(address) ?? 0;
    if (this.#open >= this.#maxConnections)
      return this.#refuse("max.connections", this.#maxConnections, remote);
    const perIp = this.#maxPerIp(address);
    if (ofAddress >= perIp) return this.#refuse("max.connections.per.ip", perIp, remote);
    this.#open++;
    this.#byAddress.set(address, ofAddress + 1);
    return true;
  }

  leave(address: string): void {
    this.#open--;
    const left = (this.#byAddress.get(address) ?? 0) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }

  #refuse(setting: string, limit: number, remote: string): false {
    this.#refused++;
    const now = performance.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return false;
    this.#loggedAt = now;
    this.#logger.warn(`connection refused: ${setting} reached`, {
      remote,
      limit,
      refused: this.#refused,
    });
    this.#refused = 0;
    return false;
  }
}
