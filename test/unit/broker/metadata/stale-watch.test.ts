import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import {
  fromList,
  listed,
  NOTHING_SEEN,
  StaleWatch,
} from "../../../../broker/metadata/stale-watch.ts";
import { MetadataWatcher } from "../../../../broker/metadata/watcher.ts";
import type { BrokerObject } from "../../../../cluster/broker.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import {
  API_VERSION,
  brokers,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { shardOf } from "../../../support/recorded-slices.ts";

describe("a watch that brings nothing", () => {
  it("is noticed when it lacks for a second what others know", () => {
    const stale = new StaleWatch();
    assert.equal(stale.look(5, 5, 0), false);
    assert.equal(stale.look(5, 7, 100), false);
    assert.equal(stale.look(5, 8, 1099), false);
    assert.equal(stale.look(5, 8, 1100), true);
  });

  it("is not one that is late, but goes on", () => {
    const stale = new StaleWatch();
    for (let at = 0; at < 20; at++) assert.equal(stale.look(at, 100, at * 900), false);
    assert.equal(stale.look(19, 100, 19 * 900 + 999), false);
    assert.equal(stale.look(19, 100, 19 * 900 + 1000), true);
  });

  it("is given time again when it has caught up, and more time the longer it does not", () => {
    const stale = new StaleWatch();
    stale.look(5, 7, 0);
    assert.equal(stale.look(5, 7, 1000), true);
    assert.equal(stale.look(5, 7, 2500), false, "twice as long");
    assert.equal(stale.look(5, 7, 3000), true);
    assert.equal(stale.look(7, 7, 3100), false);
    assert.equal(stale.look(7, 9, 3200), false);
    assert.equal(stale.look(7, 9, 4200), true, "as patient as in the beginning");
  });

  interface World {
    readonly scheduler: VirtualScheduler;
    readonly store: ObjectStore;
    readonly image: MetadataImage;
    readonly watcher: MetadataWatcher;
    readonly silence: () => void;
    /** The process stands still for so long: it runs nothing meanwhile. */
    readonly stand: (ms: number) => void;
  }

  /** A watcher that has listed what there is; on being silenced its watches bring nothing any more. */
  async function world(fill: (store: ObjectStore) => void = () => undefined): Promise<World> {
    const scheduler = new VirtualScheduler();
    const store = new ObjectStore({ scheduler, random: seededRandom(1) });
    fill(store);
    const api = createMemoryKubeApi({ store, scheduler });
    let silent = false;
    const watch: KubeApi["watch"] = (resource, namespace, options, handlers) =>
      api.watch(resource, namespace, options, {
        ...handlers,
        onEvent: (event) => {
          if (!silent) handlers.onEvent(event);
        },
      });
    const kube = { list: api.list.bind(api), watch } as unknown as KubeApi;
    const image = new MetadataImage();
    let stoodMs = 0;
    const watcher = new MetadataWatcher({
      kube,
      namespace: "default",
      clusterName: "c",
      image,
      scheduler: {
        now: () => scheduler.now() + stoodMs,
        wallNow: () => scheduler.wallNow() + stoodMs,
        after: scheduler.after.bind(scheduler),
        soon: scheduler.soon.bind(scheduler),
      },
      random: seededRandom(2),
      logger: silentLogger,
      onLease: () => undefined,
      panic: (error) => {
        throw error;
      },
    });
    void watcher.start();
    await scheduler.advance(100);
    const silence = (): void => {
      silent = true;
    };
    const stand = (ms: number): void => {
      stoodMs += ms;
    };
    return { scheduler, store, image, watcher, silence, stand };
  }

  const metadata = { namespace: "default", labels: { [CLUSTER_LABEL]: "c" } };
  const slice: PartitionSlice = {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: { ...metadata, name: "t-000" },
    spec: {
      cluster: "c",
      topic: "t",
      topicId: "an id",
      shard: "c-leaders-0000",
      firstPartition: 0,
      partitions: [{ replicas: [0] }],
    },
  };
  const broker: BrokerObject = {
    apiVersion: API_VERSION,
    kind: "Broker",
    metadata: { ...metadata, name: "c-1" },
    spec: { cluster: "c", id: 1 },
    status: { epoch: 2, endpoints: [], version: "0", state: "fenced", conditions: [] },
  };
  const topic: Topic = {
    apiVersion: API_VERSION,
    kind: "Topic",
    metadata: { ...metadata, name: "t" },
    spec: { cluster: "c", partitions: 1 },
  };
  for (const [kind, resource, object] of [
    ["shards", leadershipShards, shardOf("c", {})],
    ["slices", partitionSlices, slice],
    ["brokers", brokers, broker],
  ] as const) {
    it(`is replaced by a list, and what it had missed is known: ${kind}`, async () => {
      const { scheduler, store, image, watcher, silence } = await world();
      silence();
      const made = store.create(resource, "default", object);
      await scheduler.advance(60_000);
      assert.equal(image[kind].size, 0, "nobody has said that there is anything");
      image.heardOf({ [kind]: Number(made.metadata.resourceVersion) });
      await scheduler.advance(1500);
      assert.equal(image[kind].size, 1);
      watcher.stop();
    });
  }

  it("is replaced by a list, and what it had missed is known: topics", async () => {
    const { scheduler, store, image, watcher, silence } = await world((fresh) => {
      const { uid = "" } = fresh.create(topics, "default", topic).metadata;
      const placed: PartitionSlice = { ...slice, spec: { ...slice.spec, topicId: uid } };
      fresh.create(partitionSlices, "default", placed);
    });
    const config = (): string | undefined => image.topics.get("t")?.config.get("retention.ms");
    assert.equal(config(), undefined);
    silence();
    const changed: Topic = {
      ...topic,
      spec: { ...topic.spec, config: { "retention.ms": "1" } },
    };
    const made = store.update(topics, "default", changed);
    await scheduler.advance(60_000);
    assert.equal(config(), undefined, "nobody has said that there is anything");
    image.heardOf({ topics: Number(made.metadata.resourceVersion) });
    await scheduler.advance(1500);
    assert.equal(config(), "1");
    watcher.stop();
  });

  it("is not one whose process stood still, or was too busy to read it", async () => {
    const { scheduler, store, image, watcher, silence, stand } = await world();
    silence();
    const made = store.create(leadershipShards, "default", shardOf("c", {}));
    image.heardOf({ shards: Number(made.metadata.resourceVersion) });
    await scheduler.advance(300);
    stand(10_000);
    await scheduler.advance(300);
    assert.equal(image.shards.size, 0, "not listed for that");
    await scheduler.advance(1000);
    assert.equal(image.shards.size, 1);
    watcher.stop();
  });

  it("has all of them listed, for of what nobody has seen nobody can tell", async () => {
    const { scheduler, store, image, watcher, silence } = await world();
    silence();
    store.create(partitionSlices, "default", slice);
    store.create(brokers, "default", broker);
    const made = store.create(leadershipShards, "default", shardOf("c", {}));
    image.heardOf({ shards: Number(made.metadata.resourceVersion) });
    await scheduler.advance(1500);
    assert.deepEqual([image.slices.size, image.brokers.size, image.shards.size], [1, 1, 1]);
    watcher.stop();
  });

  it("is told of in a list, also by who knows of fewer kinds", () => {
    const newest = { shards: 4, slices: 3, brokers: 2, topics: 1 };
    assert.deepEqual(fromList(listed(newest)), newest);
    assert.deepEqual(fromList([7]), { ...NOTHING_SEEN, shards: 7 });
  });
});
