import type { KubeApi } from "../../kube/api.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import {
  createMemoryKubeApi,
  type KubeCall,
  type KubeFault,
} from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { type Caches, createCaches } from "../../operator/caches.ts";
import type { OperatorOptions } from "../../operator/operator.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

export const NAMESPACE = "default";

interface Stoppable {
  stop(): void;
}

/** An API in memory, and controllers of the operator on it with the caches that they share; on virtual time. */
export class ControllerWorld {
  readonly scheduler = new VirtualScheduler();
  /** The API as everybody else has it. */
  readonly kube: KubeApi;
  /** What the controllers have written, `verb plural name`. */
  readonly writes: string[] = [];
  /** What the controllers are made with; their API meets faults. */
  readonly options: OperatorOptions;
  readonly caches: Caches;
  readonly #running: Stoppable[] = [];

  constructor(fault?: (call: KubeCall) => KubeFault | undefined) {
    const { scheduler } = this;
    const random = seededRandom(7);
    const store = new ObjectStore({ scheduler, random });
    this.kube = createMemoryKubeApi({ store, scheduler });
    const kube = createMemoryKubeApi({
      store,
      scheduler,
      fault: (call) => {
        if (!["get", "list", "watch"].includes(call.verb)) {
          this.writes.push(`${call.verb} ${call.resource.plural} ${call.name}`);
        }
        return fault?.(call);
      },
    });
    const brokerImage = "forebay";
    this.options = { kube, namespace: "", scheduler, random, logger: silentLogger, brokerImage };
    this.caches = createCaches(this.options);
  }

  /** Starts the caches of controllers that watch them already. */
  start(...controllers: readonly Stoppable[]): void {
    this.caches.start();
    this.#running.push(...controllers, this.caches);
  }

  stop(): void {
    for (const one of this.#running) one.stop();
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.until(promise);
  }
}
