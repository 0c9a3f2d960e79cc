import assert from "node:assert/strict";
import type { BrokerState } from "../../../../cluster/broker.ts";
import { API_VERSION, brokerClusters, brokers } from "../../../../cluster/resources.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { createCaches } from "../../../../operator/caches.ts";
import { startBrokerTeller } from "../../../../operator/controllers/broker-teller.ts";
import { events } from "../../../../operator/resources/workloads.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "default";

/** A cluster with one broker, whose states somebody writes. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly #random = seededRandom(9);
  readonly #store = new ObjectStore({ scheduler: this.scheduler, random: this.#random });
  readonly kube = createMemoryKubeApi({ store: this.#store, scheduler: this.scheduler });
  readonly #stops: (() => void)[] = [];

  async start(): Promise<void> {
    const options = {
      kube: this.kube,
      namespace: "",
      scheduler: this.scheduler,
      random: this.#random,
      logger: silentLogger,
      brokerImage: "forebay",
    };
    const caches = createCaches(options);
    const teller = startBrokerTeller(options, caches);
    caches.start();
    this.#stops.push(
      () => teller.stop(),
      () => caches.stop(),
    );
    const metadata = { name: "c", namespace: NAMESPACE };
    const common = { apiVersion: API_VERSION, metadata };
    await this.do(
      this.kube.create(brokerClusters, NAMESPACE, {
        ...common,
        kind: "BrokerCluster",
        spec: { brokers: 1 },
      }),
    );
    await this.do(
      this.kube.create(brokers, NAMESPACE, {
        ...common,
        kind: "Broker",
        metadata: { ...metadata, name: "c-0" },
        spec: { cluster: "c", id: 0 },
      }),
    );
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.until(promise);
  }

  async become(epoch: number, ...states: readonly BrokerState[]): Promise<void> {
    for (const state of states) {
      const now = await this.do(this.kube.get(brokers, NAMESPACE, "c-0"));
      const next = { ...now, status: { epoch, state } };
      await this.do(this.kube.replace(brokers, NAMESPACE, next, { subresource: "status" }));
      await this.scheduler.advance(100);
    }
  }

  async told(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(events, NAMESPACE));
    return items
      .map(
        ({ type, reason, involvedObject }) =>
          `${type} ${reason} of ${involvedObject.kind} ${involvedObject.name}`,
      )
      .sort();
  }
}

describe("broker teller", () => {
  let world: World;

  beforeEach(async () => {
    world = new World();
    await world.start();
  });

  afterEach(() => {
    world.stop();
  });

  it("tells of each time that a broker is lost and back, at its cluster", async () => {
    await world.become(1, "fenced", "running");
    assert.deepEqual(await world.told(), []);
    await world.become(1, "fenced");
    assert.deepEqual(await world.told(), ["Warning BrokerLost of BrokerCluster c"]);
    await world.become(2, "fenced", "running", "fenced");
    await world.become(3, "fenced", "running");
    assert.deepEqual(await world.told(), [
      "Normal BrokerReturned of BrokerCluster c",
      "Normal BrokerReturned of BrokerCluster c",
      "Warning BrokerLost of BrokerCluster c",
      "Warning BrokerLost of BrokerCluster c",
    ]);
  });

  it("says nothing of one that stops as planned", async () => {
    await world.become(1, "running", "draining", "fenced");
    await world.become(2, "fenced", "running");
    assert.deepEqual(await world.told(), []);
  });

  it("says nothing of the brokers of a cluster that goes", async () => {
    await world.become(1, "running");
    await world.do(world.kube.delete(brokerClusters, NAMESPACE, "c"));
    await world.become(1, "fenced");
    assert.deepEqual(await world.told(), []);
  });
});
