import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { RecordedPartition } from "../../../../broker/metadata/partition-records.ts";
import { IsrChanges } from "../../../../broker/replication/isr-changes.ts";
import type { LeaderReplica } from "../../../../broker/replication/leader-replica.ts";
import type { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import type { Partition } from "../../../../broker/replication/partition.ts";
import type { PartitionChange } from "../../../../cluster/partition-change.ts";
import type { PartitionSlice, PartitionState } from "../../../../cluster/partition-slice.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { ServerBusyError } from "../../../../kube/errors.ts";
import { sleep } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { shardName } from "../../../../cluster/names.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const SELF = 0;
const EPOCH = 3;
const STATE: PartitionState = {
  leader: SELF,
  leaderEpoch: EPOCH,
  isr: [SELF, 1],
  elr: [],
  partitionEpoch: 7,
};

/** The leader of partition 0 of many topics, on an API that takes a while for each read and notes it. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly reads: string[] = [];
  /** ISR by topic, as recorded last. */
  readonly recorded = new Map<string, readonly number[]>();
  readonly settled: string[] = [];
  /** Where replicas are to be, as the API has it. */
  replicas: readonly number[] = [SELF, 1, 2];
  answerMs = 10;
  isAway = false;
  readonly changes: IsrChanges;

  /** @param slices that are known, whoever leads their partitions */
  constructor(slices = 0) {
    const { scheduler } = this;
    const read = async <T>(what: string, answer: () => T): Promise<T> => {
      this.reads.push(what);
      await sleep(scheduler, this.answerMs);
      if (this.isAway) throw new ServerBusyError(500, "InternalError", "no");
      return answer();
    };
    const kube = {
      get: ({ plural }: { readonly plural: string }, _: string, name: string) =>
        read(`get ${name}`, () => (plural === "brokers" ? broker(name) : this.#slice(name))),
      list: () =>
        read("list", () => ({ items: [...this.recorded.keys()].map((one) => this.#slice(one)) })),
    } as unknown as KubeApi;
    const store = {
      update: (record: RecordedPartition, change: PartitionChange) => {
        const next = change(STATE, record.placement);
        if (next !== undefined) this.recorded.set(record.topic, next.isr);
        return Promise.resolve(
          next === undefined ? { kind: "unchanged" } : { kind: "recorded", state: next },
        );
      },
      inTurn: <T>(work: () => Promise<T>) => work(),
    } as unknown as LeadershipStore;
    this.changes = new IsrChanges({
      self: SELF,
      clusterName: "c",
      namespace: "n",
      kube,
      image: {
        slices: { size: slices },
        absorbSlice: () => {},
        absorbBroker: () => {},
      } as unknown as MetadataImage,
      store,
      scheduler,
      logger: silentLogger,
      panic: (error) => {
        throw error;
      },
    });
  }

  #slice(name: string): PartitionSlice {
    return {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: { name },
      spec: {
        cluster: "c",
        topic: name,
        topicId: name,
        shard: shardName("c", 0),
        firstPartition: 0,
        partitions: [{ replicas: this.replicas }],
      },
    };
  }

  propose(topic: string, add: readonly number[], drop: readonly number[] = []): void {
    if (!this.recorded.has(topic)) this.recorded.set(topic, STATE.isr);
    const record = {
      topic,
      topicId: topic,
      partition: 0,
      slice: topic,
      placement: { replicas: [] },
    };
    this.changes.propose({
      partition: {
        ...record,
        record,
        proposalSettled: () => this.settled.push(topic),
      } as unknown as Partition,
      leader: { leaderEpoch: EPOCH, minInSyncReplicas: 1 } as unknown as LeaderReplica,
      proposal: {
        add,
        drop,
        expectedPartitionEpoch: STATE.partitionEpoch,
        brokerEpochs: new Map(add.map((id) => [id, 5])),
      },
    });
  }
}

function broker(name: string): unknown {
  const id = Number(name.split("-").at(-1));
  return {
    apiVersion: API_VERSION,
    kind: "Broker",
    metadata: { name },
    spec: { cluster: "c", id },
    status: { state: "running", epoch: 5, endpoints: [] },
  };
}

describe("changes of in-sync replicas", () => {
  it("let a replica in after its registration and the placement were read", async () => {
    const world = new World();
    world.propose("a", [2]);
    await world.scheduler.advance(50);
    assert.deepEqual(world.reads.toSorted(), ["get a", "get c-2"]);
    assert.deepEqual(world.recorded.get("a"), [0, 1, 2]);
    assert.deepEqual(world.settled, ["a"]);
  });

  it("let nobody in who is placed there no more, whatever this broker knew, or when that cannot be read", async () => {
    const world = new World();
    world.replicas = [SELF, 1];
    world.propose("a", [2]);
    await world.scheduler.advance(50);
    world.replicas = [SELF, 1, 2];
    world.isAway = true;
    world.propose("b", [2]);
    await world.scheduler.advance(50);
    assert.deepEqual([...world.recorded.values()], [STATE.isr, STATE.isr]);
    assert.deepEqual(world.settled, ["a", "b"], "both may be proposed again");
  });

  it("take a replica out without a read, also while one is waited for, and beside one that is to come in", async () => {
    const world = new World();
    world.answerMs = 10_000;
    world.propose("a", [2]);
    await world.scheduler.advance(50);
    world.propose("b", [], [1]);
    world.propose("c", [2], [1]);
    await world.scheduler.advance(50);
    assert.deepEqual(world.recorded.get("b"), [0]);
    assert.deepEqual(world.recorded.get("c"), [0]);
    assert.deepEqual(world.settled, ["b", "c"]);
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.recorded.get("a"), [0, 1, 2]);
  });

  it("read the placements of many partitions by one list, and then none for a while", async () => {
    const world = new World();
    for (let at = 0; at < 20; at++) world.propose(`t${at}`, [2]);
    await world.scheduler.advance(5);
    for (let at = 20; at < 40; at++) world.propose(`t${at}`, [2]);
    await world.scheduler.advance(14);
    assert.equal(world.recorded.get("t0")?.length, 3);
    world.propose("late", [2]);
    world.propose("drop", [], [1]);
    await world.scheduler.advance(15);
    assert.deepEqual(world.reads, ["list", "get c-2"], "for three times as long as it took");
    const putOff = ["late", ...Array.from({ length: 20 }, (_, at) => `t${20 + at}`)];
    assert.ok(
      putOff.every((topic) => world.settled.includes(topic)),
      "nothing is pending",
    );
    assert.ok(putOff.every((topic) => world.recorded.get(topic)?.length === 2));
    assert.deepEqual(world.recorded.get("drop"), [0], "who goes does not wait");
    await world.scheduler.advance(30);
    for (const topic of putOff) world.propose(topic, [2]);
    await world.scheduler.advance(50);
    assert.deepEqual(world.reads, ["list", "get c-2", "list", "get c-2"]);
    assert.ok(putOff.every((topic) => world.recorded.get(topic)?.length === 3));
  });

  it("read them one by one when they are a small part of all", async () => {
    const world = new World(2000);
    for (let at = 0; at < 100; at++) world.propose(`t${at}`, [2]);
    await world.scheduler.advance(50);
    assert.equal(world.reads.length, 101);
    assert.ok(!world.reads.includes("list"));
    assert.ok([...world.recorded.values()].every((isr) => isr.length === 3));
  });

  it("leave nothing waiting, whenever it is proposed", async () => {
    for (let at = 0; at < 60; at++) {
      const world = new World();
      world.propose("a", [2]);
      await world.scheduler.advance(at / 2);
      world.propose("b", [2]);
      await world.scheduler.advance(200);
      assert.deepEqual(world.settled, ["a", "b"], `${at / 2} ms after`);
    }
  });
});
