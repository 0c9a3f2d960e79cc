import assert from "node:assert/strict";
import { recordKey } from "../../../../cluster/leadership-shard.ts";
import { shardName } from "../../../../cluster/names.ts";
import {
  API_VERSION,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../../../cluster/resources.ts";
import type { KubeCall, KubeFault } from "../../../../local/api/memory-kube-api.ts";
import { ShardKeeper } from "../../../../operator/controllers/shard-keeper.ts";
import { ControllerWorld, NAMESPACE } from "../../../support/controller-world.ts";

const CLUSTER = "c";
const FIRST = shardName(CLUSTER, 0);

/** The keeper of shards; slices come and go by the test's hand. */
class World extends ControllerWorld {
  readonly keeper: ShardKeeper;

  constructor(fault?: (call: KubeCall) => KubeFault | undefined) {
    super(fault);
    this.keeper = new ShardKeeper(this.options, this.caches);
    this.keeper.watch();
    this.start(this.keeper);
  }

  choose(slice: string, partitions: number): string {
    const wanted = { name: slice, topicId: slice, firstPartition: 0, partitions };
    return this.keeper.choose(NAMESPACE, CLUSTER, wanted);
  }

  /** Records of topics' first partitions, by topic id. */
  async record(shard: string, ...topicIds: string[]): Promise<void> {
    const found = await this.do(this.kube.get(leadershipShards, NAMESPACE, shard));
    const partitions = Object.fromEntries(topicIds.map((id) => [recordKey(id, 0), "0/0 isr 0 #0"]));
    await this.do(
      this.kube.replace(
        leadershipShards,
        NAMESPACE,
        { ...found, status: { partitions } },
        { subresource: "status" },
      ),
    );
  }

  async slice(name: string, shard: string, partitions = 1): Promise<void> {
    await this.do(
      this.kube.create(partitionSlices, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "PartitionSlice",
        metadata: { name, namespace: NAMESPACE, labels: { [CLUSTER_LABEL]: CLUSTER } },
        spec: {
          cluster: CLUSTER,
          topic: name,
          topicId: name,
          shard,
          firstPartition: 0,
          partitions: Array.from({ length: partitions }, () => ({ replicas: [0] })),
        },
      }),
    );
  }

  async remove(slice: string): Promise<void> {
    await this.do(this.kube.delete(partitionSlices, NAMESPACE, slice));
  }

  async shards(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(leadershipShards, NAMESPACE));
    return items.map(({ metadata }) => metadata.name);
  }
}

describe("the keeper of shards", () => {
  let world: World;
  afterEach(() => {
    world.stop();
  });

  it("fills a shard with slices of several topics before it takes another", async () => {
    world = new World();
    const chosen = Array.from({ length: 40 }, (_, at) => world.choose(`t${at}-000`, 6));
    const counts = [0, 1, 2].map(
      (index) => chosen.filter((s) => s === shardName(CLUSTER, index)).length,
    );
    assert.deepEqual(counts, [16, 16, 8]);
    // The same when they are in the cache, and when only some are.
    for (const [at, shard] of chosen.entries()) await world.slice(`t${at}-000`, shard, 6);
    assert.equal(world.choose("more-000", 4), FIRST);
    assert.equal(world.choose("more-001", 1), shardName(CLUSTER, 1));
    await world.scheduler.advance(100);
    assert.equal(world.choose("more-000", 4), FIRST);
    assert.equal(world.choose("more-001", 6), shardName(CLUSTER, 2));
  });

  it("gives a large slice a shard of its own, and room back when slices go", async () => {
    world = new World();
    assert.equal(world.choose("small-000", 1), FIRST);
    assert.equal(world.choose("large-000", 100), shardName(CLUSTER, 1));
    await world.slice("small-000", FIRST, 1);
    await world.scheduler.advance(100);
    await world.remove("small-000");
    await world.scheduler.advance(100);
    assert.equal(world.choose("large-001", 100), FIRST);
  });

  it("reserves once for a slice that is tried again", () => {
    world = new World();
    for (let attempt = 0; attempt < 50; attempt++) assert.equal(world.choose("t-000", 60), FIRST);
    assert.equal(world.choose("u-000", 40), FIRST);
  });

  it("makes a shard once, also when several topics want it at once", async () => {
    world = new World();
    await world.do(
      Promise.all([1, 2, 3].map(() => world.keeper.ensure(NAMESPACE, CLUSTER, FIRST))),
    );
    assert.deepEqual(await world.shards(), [FIRST]);
    assert.deepEqual(world.writes, [`create leadershipshards ${FIRST}`]);
  });

  it("makes a shard that a slice names again when somebody deletes it", async () => {
    world = new World();
    await world.slice("t-000", FIRST);
    await world.scheduler.advance(100);
    assert.deepEqual(await world.shards(), [FIRST]);
    await world.do(world.kube.delete(leadershipShards, NAMESPACE, FIRST));
    await world.scheduler.advance(1000);
    assert.deepEqual(await world.shards(), [FIRST]);
  });

  it("gives a slice that is made again the shard that has its records, whatever room others have", async () => {
    world = new World();
    const second = shardName(CLUSTER, 1);
    await world.do(world.keeper.ensure(NAMESPACE, CLUSTER, second));
    await world.record(second, "t-000");
    await world.scheduler.advance(100);
    assert.equal(world.choose("t-000", 6), second);
    assert.equal(world.choose("u-000", 6), FIRST);
  });

  it("deletes no shard with records of a topic that is there, and one of topics that are gone", async () => {
    world = new World();
    const topic = await world.do(
      world.kube.create(topics, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { name: "t", namespace: NAMESPACE },
        spec: { cluster: CLUSTER, partitions: 1 },
      }),
    );
    // Somebody has deleted its slice, and it is not made again for long.
    await world.do(world.keeper.ensure(NAMESPACE, CLUSTER, FIRST));
    await world.record(FIRST, topic.metadata.uid ?? "", "one that is gone");
    await world.scheduler.advance(200_000);
    assert.deepEqual(await world.shards(), [FIRST]);
    await world.do(world.kube.delete(topics, NAMESPACE, "t"));
    await world.record(FIRST, topic.metadata.uid ?? "");
    await world.scheduler.advance(200_000);
    assert.deepEqual(await world.shards(), []);
  });

  it("deletes a shard that no slice has named for a while, and not sooner", async () => {
    world = new World();
    await world.slice("t-000", FIRST);
    await world.scheduler.advance(100);
    await world.remove("t-000");
    await world.scheduler.advance(20_000);
    assert.deepEqual(await world.shards(), [FIRST]);
    await world.slice("u-000", FIRST);
    await world.scheduler.advance(20_000);
    assert.deepEqual(await world.shards(), [FIRST]);
    await world.remove("u-000");
    await world.scheduler.advance(40_000);
    assert.deepEqual(await world.shards(), []);
  });

  it("keeps a shard that a slice names of which its watch has not told yet", async () => {
    let late = false;
    world = new World(({ verb, resource }) =>
      late && verb === "watch" && resource.plural === "partitionslices"
        ? { delayMs: 300_000 }
        : undefined,
    );
    await world.slice("t-000", FIRST);
    await world.scheduler.advance(100);
    await world.remove("t-000");
    await world.scheduler.advance(1000);
    late = true;
    await world.slice("u-000", FIRST);
    await world.scheduler.advance(60_000);
    assert.deepEqual(await world.shards(), [FIRST]);
  });
});
