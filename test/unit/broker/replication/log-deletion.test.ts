import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { RecordedPartition } from "../../../../broker/metadata/partition-records.ts";
import type { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import { LogDeletion } from "../../../../broker/replication/log-deletion.ts";
import { parseState, recordKey, stateText } from "../../../../cluster/leadership-shard.ts";
import { shardName } from "../../../../cluster/names.ts";
import type { PartitionChange } from "../../../../cluster/partition-change.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { ServerBusyError } from "../../../../kube/errors.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { shardOf } from "../../../support/recorded-slices.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const SELF = 2;
const TOPIC = "an id";
const PARTITIONS = 20;

/** Broker 2, whose logs of a topic are not wanted any more, and what the API has of that topic. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly lists: string[] = [];
  /** Bumps of partitions and deletions of their logs, in their order. */
  readonly done: string[] = [];
  readonly wanted = new Set<number>();
  hasTopic = true;
  replicas: readonly number[] | undefined = [0, 1];
  text = "0/3 isr 0,1 #7";
  isAway = false;
  readonly deletion: LogDeletion;

  constructor() {
    const kube = {
      list: ({ plural }: { readonly plural: string }) => {
        this.lists.push(plural);
        if (this.isAway) return Promise.reject(new ServerBusyError(500, "InternalError", "no"));
        return Promise.resolve({ items: this.#items(plural) });
      },
    } as unknown as KubeApi;
    const store = {
      update: ({ partition, state, placement }: RecordedPartition, change: PartitionChange) => {
        if (state === undefined) return Promise.resolve({ kind: "gone" });
        const next = change(state, placement);
        if (next === undefined) return Promise.resolve({ kind: "unchanged" });
        this.done.push(`bump ${partition}: ${stateText(next)}`);
        return Promise.resolve({ kind: "recorded", state: next });
      },
    } as unknown as LeadershipStore;
    this.deletion = new LogDeletion({
      self: SELF,
      kube,
      namespace: "n",
      clusterName: "c",
      image: new MetadataImage(),
      store,
      scheduler: this.scheduler,
      logger: silentLogger,
      panic: (error) => {
        throw error;
      },
      wanted: ({ partition }) => this.wanted.has(partition),
      delete: ({ partition }) => {
        this.done.push(`delete ${partition}`);
        return Promise.resolve();
      },
    });
  }

  #items(plural: string): readonly unknown[] {
    if (plural === "topics") return this.hasTopic ? [{ metadata: { name: "t", uid: TOPIC } }] : [];
    const { replicas } = this;
    if (plural === "partitionslices") {
      const spec = {
        cluster: "c",
        topic: "t",
        topicId: TOPIC,
        shard: shardName("c", 0),
        firstPartition: 0,
        partitions: Array.from({ length: PARTITIONS }, () => ({ replicas })),
      };
      const metadata = { name: "t-000", generation: 1 };
      return replicas === undefined
        ? []
        : [{ apiVersion: API_VERSION, kind: "PartitionSlice", metadata, spec }];
    }
    const keys = Array.from({ length: PARTITIONS }, (_, at) => recordKey(TOPIC, at));
    return [shardOf("c", Object.fromEntries(keys.map((key) => [key, this.text])))];
  }

  async unwanted(...partitions: readonly number[]): Promise<void> {
    for (const partition of partitions)
      this.deletion.whenGone({ topic: "t", topicId: TOPIC, partition });
    await this.scheduler.advance(100);
  }
}

describe("the deletion of logs", () => {
  it("comes after the partition's epoch was bumped, so that what was decided on the old placement fails", async () => {
    const world = new World();
    await world.unwanted(3);
    assert.deepEqual(world.done, ["bump 3: 0/3 isr 0,1 #8", "delete 3"]);
  });

  it("waits as long as the replica counts", async () => {
    for (const text of ["0/3 isr 0,1,2 #7", "0/3 isr 0 elr 2 #7"]) {
      const world = new World();
      world.text = text;
      await world.unwanted(3);
      await world.scheduler.advance(10_000);
      assert.deepEqual(world.done, []);
      world.text = `0/3 isr 0,1 #${parseState(text).partitionEpoch + 1}`;
      await world.scheduler.advance(2000);
      assert.equal(world.done.at(-1), "delete 3");
    }
  });

  it("does not happen to a log that is placed here, or wanted again meanwhile", async () => {
    const world = new World();
    world.replicas = [0, 1, SELF];
    await world.unwanted(3);
    world.replicas = [0, 1];
    world.wanted.add(4);
    await world.unwanted(4);
    await world.scheduler.advance(10_000);
    assert.ok(!world.done.some((what) => what.startsWith("delete")));
  });

  it("waits for the slice of a topic that is there, and for an API that is away", async () => {
    const world = new World();
    world.replicas = undefined;
    await world.unwanted(3);
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.done, []);
    world.hasTopic = false;
    world.isAway = true;
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.done, []);
    world.isAway = false;
    await world.scheduler.advance(2000);
    assert.deepEqual(world.done, ["delete 3"], "nobody can be let into what is gone");
  });

  it("takes one look for all that wait", async () => {
    const world = new World();
    await world.unwanted(...Array(PARTITIONS).keys());
    assert.equal(world.done.filter((what) => what.startsWith("delete")).length, PARTITIONS);
    assert.deepEqual(world.lists, ["partitionslices", "leadershipshards", "topics"]);
  });
});
