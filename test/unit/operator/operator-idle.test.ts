import assert from "node:assert/strict";
import { MINUTE } from "../../../lib/units.ts";
import { brokerClusters, topics } from "../../../cluster/resources.ts";
import { CLUSTER, OperatorWorld } from "../../support/operator-world.ts";

/** Watches end and begin again, bookmarks come, events may be said again: all of that within this time. */
const REST = 60 * MINUTE;

describe("an operator with nothing to do", () => {
  let world: OperatorWorld;
  beforeEach(async () => {
    world = new OperatorWorld();
    await world.create("BrokerCluster", CLUSTER, { brokers: 3 });
    await world.create("Topic", "orders", { cluster: CLUSTER, partitions: 6 });
    await world.until(() => world.isReady(), "ready");
  });
  afterEach(() => {
    world.stop();
  });

  async function rest(): Promise<void> {
    const version = world.store.resourceVersion;
    world.writes.length = 0;
    await world.scheduler.advance(REST);
    assert.deepEqual(world.writes, []);
    assert.equal(world.store.resourceVersion, version, "nobody wrote");
  }

  it("writes nothing for an hour", async () => {
    await rest();
  });

  it("writes nothing about what it was told that cannot be", async () => {
    await world.create("Topic", "too-wide", { cluster: CLUSTER, partitions: 1, replicas: 5 });
    await world.create("Topic", "astray", { cluster: "none", partitions: 1 });
    await world.scheduler.advance(MINUTE);
    await rest();
  });

  it("writes nothing while brokers cannot go because of a topic that needs them", async () => {
    await world.change(brokerClusters, CLUSTER, { brokers: 2 });
    await world.change(topics, "orders", { replicas: 3 });
    await world.scheduler.advance(MINUTE);
    await rest();
  });

  it("writes nothing after it was started again", async () => {
    world.endOperator(0);
    world.startOperator();
    await rest();
  });
});
