import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import { wholePatch } from "../../../../broker/replication/shard-patch.ts";
import {
  type LeadershipShard,
  recordKey,
  stateText,
} from "../../../../cluster/leadership-shard.ts";
import type { PartitionSlice, PartitionState } from "../../../../cluster/partition-slice.ts";
import { API_VERSION, leadershipShards, partitionSlices } from "../../../../cluster/resources.ts";
import type { JsonPatchOperation, KubeApi } from "../../../../kube/api.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { recordStates } from "../../../support/recorded-slices.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "default";
const TOPIC = "11111111-2222-3333-4444-555555555555";
const SHARD = "c-000";
const PARTITIONS = 24;
const FIRST: PartitionState = {
  leader: 0,
  leaderEpoch: 0,
  isr: [0, 1, 2],
  elr: [],
  partitionEpoch: 0,
};

/** The election that a broker's loss makes of a state. */
const lost = (state: PartitionState): PartitionState | undefined =>
  state.leader === 0
    ? {
        ...state,
        leader: 1,
        leaderEpoch: state.leaderEpoch + 1,
        isr: state.isr.filter((id) => id !== 0),
        partitionEpoch: state.partitionEpoch + 1,
      }
    : undefined;

/** A topic on an API in memory, whose patches are noted. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly patches: (readonly JsonPatchOperation[])[] = [];
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly #kube: KubeApi;
  readonly #slice: PartitionSlice;

  constructor() {
    const { scheduler } = this;
    const random = seededRandom(1);
    const objects = new ObjectStore({ scheduler, random });
    this.#kube = createMemoryKubeApi({ store: objects, scheduler });
    this.#slice = {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: { name: "orders-000", namespace: NAMESPACE },
      spec: {
        cluster: "c",
        topic: "orders",
        topicId: TOPIC,
        shard: SHARD,
        firstPartition: 0,
        partitions: Array.from({ length: PARTITIONS }, () => ({ replicas: [0, 1, 2] })),
      },
    };
    this.image = new MetadataImage();
    this.store = new LeadershipStore({
      kube: new Proxy(this.#kube, {
        get: (kube, name: keyof KubeApi) =>
          name === "jsonPatch"
            ? (...args: Parameters<KubeApi["jsonPatch"]>) => {
                this.patches.push(args[3]);
                return kube.jsonPatch(...args);
              }
            : kube[name].bind(kube),
      }),
      namespace: NAMESPACE,
      image: this.image,
      scheduler,
      random,
      logger: silentLogger,
    });
  }

  static async start(): Promise<World> {
    const world = new World();
    world.image.absorbSlice(
      await world.scheduler.until(world.#kube.create(partitionSlices, NAMESPACE, world.#slice)),
    );
    await world.record(Array.from({ length: PARTITIONS }, () => FIRST));
    await world.look();
    return world;
  }

  /** Somebody records states, from the first partition on. */
  record(states: readonly PartitionState[]): Promise<void> {
    return this.scheduler.until(recordStates(this.#kube, NAMESPACE, this.#slice, states));
  }

  /** The image learns what the API has. */
  async look(): Promise<void> {
    this.image.absorbShard(await this.#shard());
  }

  /** What the API has of partitions, from the first one on. */
  async texts(): Promise<readonly (string | undefined)[]> {
    const { status } = await this.#shard();
    return upTo(PARTITIONS).map((partition) => status?.partitions?.[recordKey(TOPIC, partition)]);
  }

  /** The election of partitions from the first one on. @returns how each ended */
  async elect(count: number, urgent = true): Promise<readonly string[]> {
    const outcomes = upTo(count).map((partition) => {
      const record = this.image.records.get(TOPIC, partition);
      assert.ok(record !== undefined);
      return this.store.update(record, lost, urgent);
    });
    return (await this.scheduler.until(Promise.all(outcomes))).map(({ kind }) => kind);
  }

  #shard(): Promise<LeadershipShard> {
    return this.scheduler.until(this.#kube.get(leadershipShards, NAMESPACE, SHARD));
  }
}

const ELECTED = lost(FIRST) ?? FIRST;
/** What followers' leaders write beside an election. */
const SHRUNK: PartitionState = { ...FIRST, isr: [0, 1], partitionEpoch: 1 };

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Texts of all partitions, the first of them as given. */
function textsOf(...first: readonly PartitionState[]): readonly string[] {
  return upTo(PARTITIONS).map((at) => stateText(first[at] ?? FIRST));
}

describe("leadership store", () => {
  it("tests the state of each record that it changes when they are few", async () => {
    const world = await World.start();
    assert.deepEqual(await world.elect(2), ["recorded", "recorded"]);
    assert.deepEqual(
      world.patches.map((one) => one.map(({ op }) => op)),
      [["test", "replace", "test", "replace"]],
    );
    assert.deepEqual(await world.texts(), textsOf(ELECTED, ELECTED));
  });

  it("writes the whole shard, bound to its version, when elections are many", async () => {
    const world = await World.start();
    assert.deepEqual(new Set(await world.elect(10)), new Set(["recorded"]));
    assert.deepEqual(
      world.patches.map((one) => one.map(({ op, path }) => `${op} ${path}`)),
      [["test /metadata/resourceVersion", "replace /status/partitions"]],
    );
    assert.deepEqual(await world.texts(), textsOf(...upTo(10).map(() => ELECTED)));
  });

  it("leaves changes that may well meet others' to each record's own test", async () => {
    const world = await World.start();
    await world.elect(10, false);
    assert.deepEqual(
      world.patches.map((one) => one.length),
      [20],
    );
  });

  it("decides again, record by record, when anybody has written to the shard meanwhile", async () => {
    const world = await World.start();
    // One that it is to change itself, and one that is none of its business: neither write is lost.
    await world.record([SHRUNK, ...upTo(PARTITIONS - 2).map(() => FIRST), SHRUNK]);
    assert.deepEqual(new Set(await world.elect(10)), new Set(["recorded"]));
    assert.deepEqual(
      world.patches.map((one) => one.length),
      [2, 20],
    );
    const afterShrink = lost(SHRUNK) ?? SHRUNK;
    const expected = [afterShrink, ...upTo(9).map(() => ELECTED), ...upTo(13).map(() => FIRST)];
    assert.deepEqual(await world.texts(), textsOf(...expected, SHRUNK));
    assert.equal(afterShrink.partitionEpoch, 2);
  });

  it("does not write a shard as a whole that knows less of a partition than the broker does", async () => {
    const world = await World.start();
    // The state came with a newer copy, which an older one has followed since, as after a restore of the API's store.
    const changes = [{ key: recordKey(TOPIC, 0), from: SHRUNK, to: ELECTED }];
    const shard = world.image.shards.get(SHARD);
    const many = upTo(9).map((at) => ({
      key: recordKey(TOPIC, at + 1),
      from: FIRST,
      to: ELECTED,
    }));
    assert.ok(wholePatch(shard, many) !== undefined);
    assert.equal(wholePatch(shard, [...changes, ...many]), undefined);
    assert.equal(wholePatch(undefined, many), undefined);
  });

  it("writes nothing when there is nothing to change any more", async () => {
    const world = await World.start();
    await world.elect(10);
    // Elected already: nothing is to change, and nothing is written.
    world.patches.length = 0;
    assert.deepEqual(new Set(await world.elect(10)), new Set(["unchanged"]));
    assert.deepEqual(world.patches, []);
  });
});
