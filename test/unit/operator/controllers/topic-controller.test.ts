import assert from "node:assert/strict";
import {
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../../../cluster/resources.ts";
import { NAMESPACE } from "../../../support/controller-world.ts";
import { type TopicControllerWorld, withBrokers } from "../../../support/topic-controller-world.ts";

describe("topic controller", () => {
  let world: TopicControllerWorld;
  afterEach(() => {
    world.stop();
  });

  it("makes a slice again that somebody deletes", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 6 });
    await world.scheduler.advance(100);
    await world.do(world.kube.delete(partitionSlices, NAMESPACE, "orders-000"));
    assert.equal((await world.slices()).length, 0);
    await world.scheduler.advance(3000);
    assert.equal((await world.slices()).length, 1);
  });

  it("makes the slices of a topic that was deleted and created again, though the old ones linger", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    const first = await world.topic("orders", { partitions: 1 });
    await world.scheduler.advance(500);
    // Nobody collects garbage here: the slice of the first stays.
    await world.do(world.kube.delete(topics, NAMESPACE, "orders"));
    const second = await world.topic("orders", { partitions: 2 });
    await world.scheduler.advance(2000);
    assert.notEqual(first.metadata.uid, second.metadata.uid);
    const { items } = await world.do(world.kube.list(partitionSlices, NAMESPACE));
    assert.deepEqual(
      items.map(({ spec }) => [spec.topicId, spec.partitions.length]),
      [[second.metadata.uid, 2]],
    );
  });

  it("records the leaderships of many topics in one shard, which it makes once", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    for (let at = 0; at < 20; at++) await world.topic(`t${at}`, { partitions: 6 });
    await world.scheduler.advance(1000);
    const { items } = await world.do(world.kube.list(partitionSlices, NAMESPACE));
    const sizes = new Map<string, number>();
    for (const { spec } of items) {
      sizes.set(spec.shard, (sizes.get(spec.shard) ?? 0) + spec.partitions.length);
    }
    assert.deepEqual([...sizes.values()].sort(), [24, 96]);
    const made = world.writes.filter((write) => write.startsWith("create leadershipshards"));
    assert.equal(made.length, 2);
    const shards = await world.do(world.kube.list(leadershipShards, NAMESPACE));
    assert.deepEqual(
      shards.items.map(({ metadata }) => metadata.name).sort(),
      [...sizes.keys()].sort(),
    );
  });

  it("writes nothing when there is nothing to change, and nothing at all while paused", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 2 });
    await world.scheduler.advance(500);
    await world.elect("orders-000");
    await world.scheduler.advance(2000);
    world.writes.length = 0;
    await world.scheduler.advance(600_000);
    assert.deepEqual(world.writes, []);
    const now = await world.read("orders");
    await world.do(
      world.kube.replace(topics, NAMESPACE, {
        ...now,
        metadata: { ...now.metadata, annotations: { "forebay.dev/paused": "true" } },
        spec: { ...now.spec, partitions: 5 },
      }),
    );
    await world.scheduler.advance(5000);
    assert.deepEqual(world.writes, []);
  });

  it("labels slices with their cluster, by which brokers find them", async () => {
    world = await withBrokers(undefined);
    await world.topic(`long-${"x".repeat(150)}`, { partitions: 1 });
    await world.scheduler.advance(500);
    const { items } = await world.do(
      world.kube.list(partitionSlices, NAMESPACE, { labelSelector: `${CLUSTER_LABEL}=c` }),
    );
    assert.equal(items.length, 1);
    for (const value of Object.values(items[0]?.metadata.labels ?? {})) {
      assert.ok(value.length <= 63);
    }
  });
});
