import assert from "node:assert/strict";
import type { BrokerState } from "../../../../cluster/broker.ts";
import { API_VERSION, brokerClusters, brokers } from "../../../../cluster/resources.ts";
import { startBrokerTeller } from "../../../../operator/controllers/broker-teller.ts";
import { events } from "../../../../operator/resources/workloads.ts";
import { ControllerWorld, NAMESPACE } from "../../../support/controller-world.ts";

/** A cluster with one broker, whose states somebody writes. */
class World extends ControllerWorld {
  async begin(): Promise<void> {
    this.start(startBrokerTeller(this.options, this.caches));
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
    await world.begin();
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
