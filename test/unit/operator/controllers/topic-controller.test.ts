import assert from "node:assert/strict";
import type { BrokerCluster } from "../../../../cluster/broker-cluster.ts";
import type { PartitionState } from "../../../../cluster/partition-slice.ts";
import {
  API_VERSION,
  brokerClusters,
  brokers,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../../../cluster/resources.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi, type KubeCall } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { createCaches } from "../../../../operator/caches.ts";
import { ShardKeeper } from "../../../../operator/controllers/shard-keeper.ts";
import { startTopicController } from "../../../../operator/controllers/topic-controller.ts";
import { events } from "../../../../operator/resources/workloads.ts";
import { recordStates } from "../../../support/recorded-slices.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "default";

/** A topic controller on an API in memory, with some brokers that have registered. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly kube: KubeApi;
  readonly writes: string[] = [];
  readonly #stops: (() => void)[] = [];

  constructor(fault?: (call: KubeCall) => { readonly after?: Error } | undefined) {
    const random = seededRandom(7);
    const store = new ObjectStore({ scheduler: this.scheduler, random });
    this.kube = createMemoryKubeApi({ store, scheduler: this.scheduler });
    const watched = createMemoryKubeApi({
      store,
      scheduler: this.scheduler,
      fault: (call) => {
        if (!["get", "list", "watch"].includes(call.verb)) {
          this.writes.push(`${call.verb} ${call.resource.plural} ${call.name}`);
        }
        return fault?.(call);
      },
    });
    const options = {
      kube: watched,
      namespace: "",
      scheduler: this.scheduler,
      random,
      logger: silentLogger,
      brokerImage: "forebay",
    };
    const caches = createCaches(options);
    const shards = new ShardKeeper(options, caches);
    shards.watch();
    const controller = startTopicController(options, caches, shards);
    caches.start();
    this.#stops.push(
      () => shards.stop(),
      () => controller.stop(),
      () => caches.stop(),
    );
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.until(promise);
  }

  async cluster(count: number, spec: Partial<BrokerCluster["spec"]> = {}): Promise<void> {
    await this.do(
      this.kube.create(brokerClusters, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata: { name: "c", namespace: NAMESPACE },
        spec: { brokers: count, ...spec },
      }),
    );
  }

  async registered(...racks: (string | undefined)[]): Promise<void> {
    for (const [id, rack] of racks.entries()) {
      const created = await this.do(
        this.kube.create(brokers, NAMESPACE, {
          apiVersion: API_VERSION,
          kind: "Broker",
          metadata: { name: `c-${id}`, namespace: NAMESPACE },
          spec: { cluster: "c", id },
        }),
      );
      const status = { epoch: 1, ...(rack === undefined ? {} : { rack }) };
      await this.do(
        this.kube.replace(brokers, NAMESPACE, { ...created, status }, { subresource: "status" }),
      );
    }
  }

  async topic(name: string, spec: Partial<Topic["spec"]>): Promise<Topic> {
    return this.do(
      this.kube.create(topics, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { name, namespace: NAMESPACE },
        spec: { cluster: "c", ...spec },
      }),
    );
  }

  read(name: string): Promise<Topic> {
    return this.do(this.kube.get(topics, NAMESPACE, name));
  }

  async slices(): Promise<{ name: string; first: number; replicas: (readonly number[])[] }[]> {
    const { items } = await this.do(this.kube.list(partitionSlices, NAMESPACE));
    return items.map(({ metadata, spec }) => ({
      name: metadata.name,
      first: spec.firstPartition,
      replicas: spec.partitions.map(({ replicas }) => replicas),
    }));
  }

  /** What the brokers' controller does: each partition is led by its first replica. */
  async elect(name: string, lost: readonly number[] = []): Promise<void> {
    const slice = await this.do(this.kube.get(partitionSlices, NAMESPACE, name));
    const partitions = slice.spec.partitions.map(({ replicas }): PartitionState => {
      const isr = replicas.filter((id) => !lost.includes(id));
      return { leader: isr[0] ?? -1, leaderEpoch: 0, isr, elr: [], partitionEpoch: lost.length };
    });
    await this.do(recordStates(this.kube, NAMESPACE, slice, partitions));
  }

  async condition(name: string): Promise<string> {
    const { status } = await this.read(name);
    return (status?.conditions ?? [])
      .filter(({ status: value }) => value === "True")
      .map(({ type, reason }) => `${type} ${reason}`)
      .join(", ");
  }

  async events(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(events, NAMESPACE));
    return items
      .map(({ type, reason, involvedObject }) => `${type} ${reason} of ${involvedObject.name}`)
      .sort();
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}

describe("topic controller", () => {
  let world: World;
  afterEach(() => {
    world.stop();
  });

  it("places a topic's partitions evenly, and calls it ready when all have leaders", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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

  it("tells of a new topic that gets no leaders after a second", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 6 });
    await world.scheduler.advance(1500);
    assert.equal(await world.condition("orders"), "Reconciling PartitionsOffline");
    await world.elect("orders-000");
    await world.scheduler.advance(1500);
    assert.equal(await world.condition("orders"), "Ready PartitionsOnline");
  });

  it("makes a slice again that somebody deletes", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 6 });
    await world.scheduler.advance(100);
    await world.do(world.kube.delete(partitionSlices, NAMESPACE, "orders-000"));
    assert.equal((await world.slices()).length, 0);
    await world.scheduler.advance(3000);
    assert.equal((await world.slices()).length, 1);
  });

  it("puts the replicas of a partition in different racks", async () => {
    world = new World();
    await world.cluster(4);
    await world.registered("a", "a", "b", "b");
    await world.topic("orders", { partitions: 8, replicas: 2 });
    await world.scheduler.advance(500);
    const rack = (id: number): string => (id < 2 ? "a" : "b");
    const [slice] = await world.slices();
    for (const [first = 0, second = 0] of slice?.replicas ?? []) {
      assert.notEqual(rack(first), rack(second));
    }
  });

  it("splits 250 partitions into slices of 100, and fills the last one when the topic grows", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
    const topic = await world.topic("wide", { partitions: 250 });
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
    const { spec } = topic;
    const now = await world.read("wide");
    await world.do(
      world.kube.replace(topics, NAMESPACE, { ...now, spec: { ...spec, partitions: 301 } }),
    );
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

  it("computes partitions from an expected peak and shows the sum", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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
      world = new World();
      await world.cluster(3);
      await world.registered(undefined, undefined, undefined);
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
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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
    world = new World();
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
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
    await world.topic("orders", { partitions: 2, replicas: 3 });
    await world.scheduler.advance(100);
    await world.elect("orders-000");
    await world.scheduler.advance(2000);
    assert.equal(await world.condition("orders"), "Ready PartitionsOnline");
    const topic = await world.read("orders");
    await world.do(
      world.kube.replace(topics, NAMESPACE, { ...topic, spec: { ...topic.spec, replicas: 2 } }),
    );
    await world.scheduler.advance(100);
    assert.equal(
      await world.condition("orders"),
      "Ready PartitionsOnline, Reconciling MovingReplicas",
    );
  });

  it("counts partitions that lack a replica or a leader", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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

  it("makes the slices of a topic that was deleted and created again, though the old ones linger", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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

  it("takes explicit assignments as they are, and places the partitions beyond them", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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

  it("records the leaderships of many topics in one shard, which it makes once", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
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

  it("keeps new topics even although the cache has not seen the last one yet", async () => {
    world = new World();
    await world.cluster(3);
    await world.registered(undefined, undefined, undefined);
    for (let at = 0; at < 9; at++) await world.topic(`t${at}`, { partitions: 1, replicas: 1 });
    await world.scheduler.advance(1000);
    const leaders = (await world.slices()).map(({ replicas }) => replicas[0]?.[0]);
    for (const id of [0, 1, 2]) assert.equal(leaders.filter((leader) => leader === id).length, 3);
  });

  it("labels slices with their cluster, by which brokers find them", async () => {
    world = new World();
    await world.cluster(1);
    await world.registered(undefined);
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
