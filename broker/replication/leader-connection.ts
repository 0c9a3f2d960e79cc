import { type BrokerEndpoint, isSameAddress } from "../../cluster/broker.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import type { Network } from "../network/frame-channel.ts";
import { RpcClient } from "../network/rpc-client.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../protocol/messages/api-versions.ts";
import type { FetchResponse } from "../protocol/messages/fetch.ts";

/** Of the request that hurries a fetch: any would do, and this one is small. */
const HURRY_VERSION = 0;
/** A parked fetch is hurried for newcomers at most this often. */
const HURRY_SPACING_MS: Millis = 20;
const CONNECT_TIMEOUT_MS: Millis = 1000;
/** Who has served nothing for so long may not be the one that is asked. */
const OTHER_BROKER_MS: Millis = 1000;

export interface LeaderConnectionOptions {
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly clientId: string;
  /** Where the leader's process is, as far as is known. */
  readonly endpoint: () => BrokerEndpoint | undefined;
  readonly requestTimeoutMs: Millis;
}

/**
 * A fetcher's connection to its leader, and to nobody else: at the address where a broker was before its restart there may be
 * another one, and its name may lead to another one for a while. Such a one refuses what it does not lead, for ever.
 */
export class LeaderConnection {
  readonly #options: LeaderConnectionOptions;
  #client: RpcClient | undefined;
  /** Where the client is connected to, and since when. */
  #address: BrokerEndpoint | undefined;
  #since: Millis = 0;
  /** Something was served by this connection: whoever that is leads what it is asked for. */
  #hasServed = false;
  #hurriedAt: Millis = -Infinity;
  #hurryPlanned = false;

  constructor(options: LeaderConnectionOptions) {
    this.#options = options;
  }

  /** Whether it is there and leads to where the leader is now. */
  get isOpen(): boolean {
    if (this.#client === undefined || this.#client.closed) return false;
    const endpoint = this.#options.endpoint();
    return endpoint === undefined || isSameAddress(endpoint, this.#address);
  }

  /** @returns undefined when there is none and none can be made */
  async open(): Promise<RpcClient | undefined> {
    if (this.isOpen) return this.#client;
    this.close();
    const { network, scheduler, clientId, endpoint } = this.#options;
    const address = endpoint();
    if (address === undefined) return undefined;
    try {
      const { host, port } = address;
      const timeout = CONNECT_TIMEOUT_MS;
      this.#client = await RpcClient.connect({ network, scheduler, host, port, clientId, timeout });
    } catch {
      return undefined;
    }
    this.#address = address;
    this.#since = scheduler.now();
    this.#hasServed = false;
    return this.#client;
  }

  /** An answer came by it. One by which nothing is served is given up: the next may lead to the right broker. */
  answered({ responses }: FetchResponse): void {
    if (this.#hasServed || responses.length === 0) return;
    this.#hasServed = responses.some(({ partitions }) =>
      partitions.some(({ errorCode }) => errorCode === ErrorCode.NONE),
    );
    const { scheduler } = this.#options;
    if (!this.#hasServed && scheduler.now() - this.#since >= OTHER_BROKER_MS) this.close();
  }

  /**
   * A fetch may be parked at the leader for its whole wait. Acknowledgements of a partition that has just got its
   * leader would stand still as long, so the leader is sent another request, for which it ends the wait.
   * @param isWanted whether a fetch is still under way when it is time to
   */
  hurry(isWanted: () => boolean): void {
    if (this.#hurryPlanned) return;
    this.#hurryPlanned = true;
    const { scheduler, requestTimeoutMs } = this.#options;
    const wait = Math.max(0, this.#hurriedAt + HURRY_SPACING_MS - scheduler.now());
    scheduler.after(wait, () => {
      this.#hurryPlanned = false;
      this.#hurriedAt = scheduler.now();
      if (!isWanted()) return;
      this.#client?.send(
        apiVersionsRequest,
        apiVersionsResponse,
        HURRY_VERSION,
        {},
        requestTimeoutMs,
        () => undefined,
        () => undefined,
      );
    });
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}
