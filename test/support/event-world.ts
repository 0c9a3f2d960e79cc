import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import { createMemoryKubeApi } from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { EventRecorder } from "../../operator/events.ts";
import { events, type EventObject } from "../../operator/resources/workloads.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

/** A recorder on an API in memory. */
export class EventWorld {
  readonly scheduler = new VirtualScheduler();
  readonly recorder: EventRecorder;
  readonly #list: () => Promise<readonly EventObject[]>;

  constructor() {
    const { scheduler } = this;
    const random = seededRandom(3);
    const kube = createMemoryKubeApi({ store: new ObjectStore({ scheduler, random }), scheduler });
    this.recorder = new EventRecorder({ kube, scheduler, random, logger: silentLogger });
    this.#list = async () => (await kube.list(events, "default")).items;
  }

  async all(): Promise<readonly EventObject[]> {
    await this.scheduler.advance(50);
    return this.scheduler.until(this.#list());
  }
}
