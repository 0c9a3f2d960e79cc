import type { KubeApi } from "../kube/api.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Storage } from "./log/storage.ts";
import type { Network } from "./network/frame-channel.ts";

/**
 * Everything a broker touches of the outside. `main.ts` gives it the machine; the simulator gives each of its brokers
 * a faulty one. No other clock, timer, socket, file or chance may be used below `broker.ts`.
 */
export interface BrokerEnvironment {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly storage: Storage;
  readonly network: Network;
  readonly kube: KubeApi;
  readonly logger: Logger;
  /** A broken invariant or a failed disk: stop at once and restart from disk. */
  readonly panic: (error: unknown) => never;
}
