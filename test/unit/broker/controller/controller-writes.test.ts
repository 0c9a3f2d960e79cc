import assert from "node:assert/strict";
import { Controller } from "../../../../broker/controller/controller.ts";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { Network } from "../../../../broker/network/frame-channel.ts";
import { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { JsonPatchOperation, KubeApi } from "../../../../kube/api.ts";
import { ConflictError } from "../../../../kube/errors.ts";
import { sleep } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "n";
const ANSWER_MS = 10;

function slice(name: string, version: string, partitions = 1): PartitionSlice {
  return {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: { name, generation: 1, resourceVersion: version },
    spec: {
      cluster: "c",
      topic: name,
      topicId: name,
      firstPartition: 0,
      partitions: Array.from({ length: partitions }, () => ({ replicas: [1, 0] })),
    },
  };
}

/** Broker 0 as the controller, with broker 1, on an API that takes a while for each call and notes it. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly image = new MetadataImage();
  readonly calls: string[] = [];
  readonly stored = new Map<string, PartitionSlice>();
  atOnce = 0;
  most = 0;
  readonly controller: Controller;

  constructor() {
    const { scheduler, image } = this;
    const kube = {
      get: async (_: unknown, __: string, name: string) => {
        await this.#call(`get ${name}`);
        return this.stored.get(name);
      },
      jsonPatch: async (
        _: unknown,
        __: string,
        name: string,
        operations: readonly JsonPatchOperation[],
      ) => {
        await this.#call(`patch ${name}`);
        return this.#patched(name, operations);
      },
    } as unknown as KubeApi;
    const common = { kube, namespace: NAMESPACE, image, scheduler, logger: silentLogger };
    const store = new LeadershipStore({ ...common, random: seededRandom(1) });
    this.controller = new Controller({
      ...common,
      self: 0,
      ownEpoch: 1,
      clusterName: "c",
      store,
      network: { connect: () => new Promise(() => undefined) } as unknown as Network,
      sessionTimeoutMs: 2000,
      heartbeatIntervalMs: 300,
      leaderSettleMs: 60_000,
      endpoint: () => undefined,
      topicRules: () => ({ minInSyncReplicas: 1, unclean: false }),
      onMajority: () => undefined,
      heardAt: () => undefined,
      inTouch: () => true,
      panic: (error) => {
        throw error;
      },
    });
    for (const id of [0, 1]) {
      image.absorbBroker({
        apiVersion: API_VERSION,
        kind: "Broker",
        metadata: { name: `c-${id}`, resourceVersion: "1" },
        spec: { cluster: "c", id },
        status: { epoch: 1, state: "running", endpoints: [] },
      });
    }
    this.controller.setActive(true);
  }

  async #call(what: string): Promise<void> {
    this.calls.push(what);
    this.atOnce++;
    this.most = Math.max(this.most, this.atOnce);
    await sleep(this.scheduler, ANSWER_MS);
    this.atOnce--;
  }

  #patched(name: string, operations: readonly JsonPatchOperation[]): PartitionSlice {
    const object = this.stored.get(name);
    assert.ok(object !== undefined);
    const version = object.metadata.resourceVersion ?? "";
    let partitions = [...(object.status?.partitions ?? [])];
    for (const operation of operations) {
      const value = (operation as { readonly value?: unknown }).value;
      if (operation.path === "/metadata/resourceVersion" && value !== version) {
        throw new ConflictError(409, "Conflict", "another version");
      }
      if (operation.path === "/status")
        ({ partitions } = value as { partitions: typeof partitions });
      const [, index] = /^\/status\/partitions\/(\d+)$/.exec(operation.path) ?? [];
      if (index !== undefined) partitions[Number(index)] = value as (typeof partitions)[number];
    }
    const next: PartitionSlice = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(Number(version) + 1) },
      status: { partitions },
    };
    this.stored.set(name, next);
    return next;
  }

  /** Another's write that this broker does not hear of yet, or does. */
  put(object: PartitionSlice, heard = true): void {
    this.stored.set(object.metadata.name, object);
    if (heard) this.image.absorbSlice(object);
  }

  leaders(name: string): (number | undefined)[] {
    const { partitions = [] } = this.stored.get(name)?.status ?? {};
    return partitions.map(({ leader }) => leader);
  }
}

describe("the controller's writes", () => {
  it("give new partitions leaders with one write for a slice, and no read before it", async () => {
    const world = new World();
    world.put(slice("a", "1", 3));
    await world.scheduler.advance(50);
    assert.deepEqual(world.calls, ["patch a"]);
    assert.deepEqual(world.leaders("a"), [1, 1, 1]);
  });

  it("read a slice that is newer than what was heard, and append to what it has by then", async () => {
    const world = new World();
    const [state] = [{ leader: 0, leaderEpoch: 4, isr: [0], elr: [], partitionEpoch: 9 }];
    world.put(slice("a", "1", 2));
    world.put({ ...slice("a", "7", 2), status: { partitions: [state] } }, false);
    await world.scheduler.advance(100);
    assert.deepEqual(world.calls, ["patch a", "get a", "patch a"]);
    assert.deepEqual(world.leaders("a"), [0, 1]);
    assert.equal(world.stored.get("a")?.status?.partitions?.[0]?.partitionEpoch, 9);
  });

  it("are a bounded number at a time, and those that elect leaders come first", async () => {
    const world = new World();
    const led = (leader: number, name: string): void => {
      const state = { leader, leaderEpoch: 0, isr: [1, 0], elr: [], partitionEpoch: 0 };
      world.put({ ...slice(name, "1"), status: { partitions: [state] } });
    };
    for (let at = 0; at < 60; at++) led(at < 40 ? 0 : 1, `${at < 40 ? "follows" : "leads"}-${at}`);
    await world.scheduler.advance(50);
    assert.equal(world.calls.length, 0);
    // Broker 1 falls silent: it leaves 40 in-sync sets, and 20 partitions need another leader.
    world.controller.start();
    await world.scheduler.advance(3000);
    const patches = world.calls.filter((one) => one.startsWith("patch") && !one.includes("c-1"));
    assert.equal(patches.length, 60);
    assert.ok(world.most <= 25, `${world.most} at once`);
    const lastLeader = patches.findLastIndex((one) => one.includes("leads"));
    assert.ok(lastLeader < 44, "behind those at most that had begun");
    for (const name of world.stored.keys()) assert.deepEqual(world.leaders(name), [0]);
    world.controller.stop();
  });
});
