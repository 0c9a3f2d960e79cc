import assert from "node:assert/strict";
import { brokerClusters } from "../../../../cluster/resources.ts";
import { NAMESPACE } from "../../../support/controller-world.ts";
import { type TopicControllerWorld, withBrokers } from "../../../support/topic-controller-world.ts";

describe("topic controller: placement", () => {
  let world: TopicControllerWorld;
  afterEach(() => {
    world.stop();
  });

  it("places a topic's partitions evenly, and calls it ready when all have leaders", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    const { metadata } = await world.topic("orders", { partitions: 6 });
    await world.scheduler.advance(500);
    const [slice, ...more] = await world.slices();
    assert.equal(more.length, 0);
    assert.equal(slice?.name, "orders-000");
    for (const id of [0, 1, 2]) {
      assert.equal(slice.replicas.filter(([leader]) => leader === id).length, 2, "leaders");
      assert.equal(slice.replicas.filter((replicas) => replicas.includes(id)).length, 6);
    }
    assert.equal((await world.read("orders")).status, undefined, "its leaders are on their way");
    await world.elect("orders-000");
    await world.scheduler.advance(100);
    assert.equal(await world.condition("orders"), "Ready PartitionsOnline");
    const { status } = await world.read("orders");
    assert.equal(status?.topicId, metadata.uid);
    assert.deepEqual([status?.partitions, status?.replicas, status?.minInSyncReplicas], [6, 3, 2]);
  });

  it("puts the replicas of a partition in different racks", async () => {
    world = await withBrokers("a", "a", "b", "b");
    await world.topic("orders", { partitions: 8, replicas: 2 });
    await world.scheduler.advance(500);
    const rack = (id: number): string => (id < 2 ? "a" : "b");
    const [slice] = await world.slices();
    for (const [first = 0, second = 0] of slice?.replicas ?? []) {
      assert.notEqual(rack(first), rack(second));
    }
  });

  it("splits 250 partitions into slices of 100, and fills the last one when the topic grows", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("wide", { partitions: 250 });
    await world.scheduler.advance(500);
    const before = await world.slices();
    assert.deepEqual(
      before.map(({ name, first, replicas }) => [name, first, replicas.length]),
      [
        ["wide-000", 0, 100],
        ["wide-001", 100, 100],
        ["wide-002", 200, 50],
      ],
    );
    await world.change("wide", { partitions: 301 });
    await world.scheduler.advance(3000);
    const after = await world.slices();
    assert.deepEqual(
      after.map(({ first, replicas }) => [first, replicas.length]),
      [
        [0, 100],
        [100, 100],
        [200, 100],
        [300, 1],
      ],
    );
    assert.deepEqual(after[2]?.replicas.slice(0, 50), before[2]?.replicas, "nothing has moved");
  });

  it("takes explicit assignments as they are, and places the partitions beyond them", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("mine", {
      partitions: 3,
      assignments: [
        [2, 0],
        [2, 1],
      ],
    });
    await world.scheduler.advance(500);
    const [slice] = await world.slices();
    assert.deepEqual(slice?.replicas.slice(0, 2), [
      [2, 0],
      [2, 1],
    ]);
    assert.equal(slice.replicas[2]?.length, 2);
  });

  it("places partitions between those that somebody has chosen", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("mine", { partitions: 3, replicas: 2, assignments: [[], [2, 1]] });
    await world.scheduler.advance(500);
    const [slice] = await world.slices();
    assert.deepEqual(
      slice?.replicas.map(({ length }) => length),
      [2, 2, 2],
    );
    assert.deepEqual(slice.replicas[1], [2, 1]);
  });

  it("sets a choice aside whose broker is to go, and says so", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("mine", {
      partitions: 2,
      assignments: [
        [2, 0],
        [0, 1],
      ],
    });
    await world.scheduler.advance(500);
    await world.elect("mine-000");
    const cluster = await world.do(world.kube.get(brokerClusters, NAMESPACE, "c"));
    await world.do(
      world.kube.replace(brokerClusters, NAMESPACE, {
        ...cluster,
        spec: { ...cluster.spec, brokers: 2 },
      }),
    );
    await world.scheduler.advance(2000);
    const ready = (await world.read("mine")).status?.conditions?.find(
      ({ type }) => type === "Ready",
    );
    assert.equal(ready?.status, "True");
    assert.equal(
      ready.message,
      "2 partitions have leaders; 1 of spec.assignments name brokers that the cluster is not to have, and do not count",
    );
  });

  it("keeps new topics even although the cache has not seen the last one yet", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    for (let at = 0; at < 9; at++) await world.topic(`t${at}`, { partitions: 1, replicas: 1 });
    await world.scheduler.advance(1000);
    const leaders = (await world.slices()).map(({ replicas }) => replicas[0]?.[0]);
    for (const id of [0, 1, 2]) assert.equal(leaders.filter((leader) => leader === id).length, 3);
  });
});
