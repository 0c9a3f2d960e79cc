import assert from "node:assert/strict";
import { topics } from "../../../../cluster/resources.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import { NAMESPACE } from "../../../support/controller-world.ts";
import { TopicControllerWorld, withBrokers } from "../../../support/topic-controller-world.ts";

describe("topic controller: conditions", () => {
  let world: TopicControllerWorld;
  afterEach(() => {
    world.stop();
  });

  it("tells of a new topic that gets no leaders after a second", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 6 });
    await world.scheduler.advance(1500);
    assert.equal(await world.condition("orders"), "Reconciling PartitionsOffline");
    await world.elect("orders-000");
    await world.scheduler.advance(1500);
    assert.equal(await world.condition("orders"), "Ready PartitionsOnline");
  });

  it("computes partitions from an expected peak and shows the sum", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("peak", { expectedPeak: { bytesPerSecond: 95 * 1024 * 1024 } });
    await world.scheduler.advance(1500);
    const { status } = await world.read("peak");
    assert.equal(status?.partitions, 12);
    assert.match(status?.partitionsReason ?? "", /^95 MiB\/s at 10 MiB\/s a partition: 10;/);
  });

  const refused: Record<string, { spec: Partial<Topic["spec"]>; reason: string }> = {
    "a cluster that does not exist": {
      spec: { cluster: "other", partitions: 1 },
      reason: "ClusterNotFound",
    },
    "more replicas than brokers": {
      spec: { partitions: 1, replicas: 4 },
      reason: "NotEnoughBrokers",
    },
    "0 partitions": { spec: { partitions: 0 }, reason: "PartitionsMissing" },
    "neither partitions nor a peak": { spec: {}, reason: "PartitionsMissing" },
    "a minimum in sync above its replicas": {
      spec: { partitions: 1, replicas: 2, minInSyncReplicas: 3 },
      reason: "MinInSyncReplicasTooHigh",
    },
    "an assignment to a broker that is none": {
      spec: { partitions: 1, assignments: [[0, 7]] },
      reason: "InvalidAssignment",
    },
    "a name that Kafka does not allow": {
      spec: { partitions: 1, topicName: "a b" },
      reason: "InvalidTopicName",
    },
  };
  for (const [what, { spec, reason }] of Object.entries(refused)) {
    it(`refuses ${what} with a condition, and heals when it is corrected`, async () => {
      world = await withBrokers(undefined, undefined, undefined);
      await world.topic("wrong", spec);
      await world.scheduler.advance(500);
      assert.equal(await world.condition("wrong"), `Stalled ${reason}`);
      assert.deepEqual(await world.slices(), []);
      const now = await world.read("wrong");
      await world.do(
        world.kube.replace(topics, NAMESPACE, { ...now, spec: { cluster: "c", partitions: 2 } }),
      );
      await world.scheduler.advance(500);
      assert.equal(await world.condition("wrong"), "Reconciling PartitionsOffline");
    });
  }

  it("gives a topic name to the older of two Topics, and to the other once that is gone", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("a", { topicName: "Orders", partitions: 1 });
    await world.scheduler.advance(2000);
    await world.topic("b", { topicName: "Orders", partitions: 1 });
    await world.scheduler.advance(500);
    assert.equal(await world.condition("b"), "Stalled TopicNameConflict");
    assert.deepEqual(await world.events(), ["Warning TopicNameConflict of b"]);
    await world.do(world.kube.delete(topics, NAMESPACE, "a"));
    await world.scheduler.advance(500);
    assert.equal(await world.condition("b"), "Reconciling PartitionsOffline");
    await world.elect("b-000");
    await world.scheduler.advance(100);
    assert.deepEqual(await world.events(), ["Normal Ready of b", "Warning TopicNameConflict of b"]);
  });

  it("waits for the brokers of a new cluster, but not for ever", async () => {
    world = new TopicControllerWorld();
    await world.cluster(3);
    await world.topic("early", { partitions: 3, replicas: 1 });
    await world.registered(undefined, undefined);
    await world.scheduler.advance(1000);
    assert.equal(await world.condition("early"), "Reconciling WaitingForBrokers");
    assert.deepEqual(await world.slices(), []);
    await world.scheduler.advance(20_000);
    assert.equal((await world.slices())[0]?.replicas.length, 3);
  });

  it("is ready and reconciling at once while its replicas are not as many as are wanted", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 2, replicas: 3 });
    await world.scheduler.advance(100);
    await world.elect("orders-000");
    await world.scheduler.advance(2000);
    assert.equal(await world.condition("orders"), "Ready PartitionsOnline");
    await world.change("orders", { replicas: 2 });
    await world.scheduler.advance(100);
    assert.equal(
      await world.condition("orders"),
      "Ready PartitionsOnline, Reconciling MovingReplicas",
    );
  });

  it("counts partitions that lack a replica or a leader", async () => {
    world = await withBrokers(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 3, replicas: 2 });
    await world.scheduler.advance(500);
    await world.elect("orders-000", [0]);
    await world.scheduler.advance(1500);
    assert.equal((await world.read("orders")).status?.underReplicated, 2);
    await world.elect("orders-000", [0, 1, 2]);
    await world.scheduler.advance(1500);
    assert.equal((await world.read("orders")).status?.offline, 3);
    assert.equal(await world.condition("orders"), "Reconciling PartitionsOffline");
  });
});
