import assert from "node:assert/strict";
import { Controller } from "../../../../broker/controller/controller.ts";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { Network } from "../../../../broker/network/frame-channel.ts";
import { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import {
  type LeadershipShard,
  parseState,
  type PartitionStates,
  recordKey,
} from "../../../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { JsonPatchOperation, KubeApi } from "../../../../kube/api.ts";
import { ConflictError, NotFoundError } from "../../../../kube/errors.ts";
import { sleep } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { CONTROLLER_OPTIONS } from "../../../support/controller-options.ts";
import { shardOf } from "../../../support/recorded-slices.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "n";
const ANSWER_MS = 10;

function slice(name: string, shard: string, partitions = 1): PartitionSlice {
  return {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: { name, generation: 1, resourceVersion: "1" },
    spec: {
      cluster: "c",
      topic: name,
      topicId: name,
      shard,
      firstPartition: 0,
      partitions: Array.from({ length: partitions }, () => ({ replicas: [1, 0] })),
    },
  };
}

function shardNamed(name: string, version: string, partitions?: PartitionStates): LeadershipShard {
  const { status, ...shard } = shardOf("c", partitions ?? {}, version);
  return {
    ...shard,
    metadata: { ...shard.metadata, name },
    ...(partitions === undefined ? {} : { status }),
  };
}

/** Broker 0 as the controller, with broker 1, on an API that takes a while for each call and notes it. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly image = new MetadataImage();
  readonly calls: string[] = [];
  readonly stored = new Map<string, LeadershipShard>();
  /** Topics that are there. */
  readonly topics: string[] = [];
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
      list: async () => {
        await this.#call("list");
        return { items: this.topics.map((uid) => ({ metadata: { name: uid, uid } })) };
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
      ...CONTROLLER_OPTIONS,
      ...common,
      store,
      network: { connect: () => new Promise(() => undefined) } as unknown as Network,
      endpoint: () => undefined,
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

  #patched(name: string, operations: readonly JsonPatchOperation[]): LeadershipShard {
    const object = this.stored.get(name);
    if (object === undefined) throw new NotFoundError(404, "NotFound", name);
    const version = object.metadata.resourceVersion ?? "";
    let partitions: Record<string, string> = { ...object.status?.partitions };
    for (const operation of operations) {
      const { path, op } = operation;
      const value = (operation as { readonly value?: unknown }).value;
      if (path === "/metadata/resourceVersion" && value !== version) {
        throw new ConflictError(409, "Conflict", "another version");
      }
      if (path === "/status") ({ partitions } = value as { partitions: typeof partitions });
      const [, key] = /^\/status\/partitions\/([^/]+)$/.exec(path) ?? [];
      if (key === undefined) continue;
      if (op === "remove") {
        partitions = Object.fromEntries(Object.entries(partitions).filter(([one]) => one !== key));
      } else partitions[key] = value as string;
    }
    const next = shardNamed(name, String(Number(version) + 1), partitions);
    this.stored.set(name, next);
    return next;
  }

  /** Another's write that this broker does not hear of yet, or does. */
  put(object: LeadershipShard, heard = true): void {
    this.stored.set(object.metadata.name, object);
    if (heard) this.image.absorbShard(object);
  }

  leaders(name: string): (number | undefined)[] {
    return Object.values(this.stored.get(name)?.status?.partitions ?? {}).map(
      (text) => parseState(text).leader,
    );
  }
}

const STATE = "0/4 isr 0 #9";

describe("the controller's writes", () => {
  it("give new partitions of several topics leaders with one write for a shard, and no read before it", async () => {
    const world = new World();
    world.put(shardNamed("s", "1"));
    world.image.absorbSlice(slice("a", "s", 3));
    world.image.absorbSlice(slice("b", "s", 2));
    await world.scheduler.advance(50);
    assert.deepEqual(world.calls, ["patch s"]);
    assert.deepEqual(world.leaders("s"), [1, 1, 1, 1, 1]);
  });

  it("give leaders to partitions that come while others of the shard get theirs", async () => {
    const world = new World();
    world.put(shardNamed("s", "1", {}));
    world.image.absorbSlice(slice("a", "s"));
    await world.scheduler.advance(ANSWER_MS / 2);
    world.image.absorbSlice(slice("b", "s"));
    await world.scheduler.advance(20);
    world.image.absorbSlice(slice("d", "s"));
    await world.scheduler.advance(100);
    assert.deepEqual(world.calls, ["patch s", "patch s"]);
    assert.deepEqual(world.leaders("s"), [1, 1, 1]);
  });

  it("wait for a shard that is not there yet", async () => {
    const world = new World();
    world.image.absorbSlice(slice("a", "s"));
    await world.scheduler.advance(50);
    assert.deepEqual(world.calls, []);
    world.put(shardNamed("s", "1"));
    await world.scheduler.advance(50);
    assert.deepEqual(world.leaders("s"), [1]);
  });

  it("read a shard that is newer than what was heard, and add to what it has by then", async () => {
    const world = new World();
    world.put(shardNamed("s", "1"));
    world.put(shardNamed("s", "7", { [recordKey("a", 0)]: STATE }), false);
    world.image.absorbSlice(slice("a", "s", 2));
    await world.scheduler.advance(100);
    assert.deepEqual(world.calls, ["patch s", "get s", "patch s"]);
    assert.deepEqual(world.leaders("s"), [0, 1]);
    assert.equal(world.stored.get("s")?.status?.partitions?.[recordKey("a", 0)], STATE);
  });

  it("put back what is known of a shard that somebody has deleted", async () => {
    const world = new World();
    world.put(shardNamed("s", "1", { [recordKey("a", 0)]: STATE }));
    world.image.absorbSlice(slice("a", "s"));
    await world.scheduler.advance(50);
    world.stored.delete("s");
    world.image.removeShard("s");
    await world.scheduler.advance(50);
    assert.deepEqual(world.calls, []);
    world.put(shardNamed("s", "20"));
    await world.scheduler.advance(50);
    assert.deepEqual(world.stored.get("s")?.status?.partitions, { [recordKey("a", 0)]: STATE });
  });

  it("take out the records of topics that are gone, and of no other", async () => {
    const world = new World();
    const states = { [recordKey("a", 0)]: STATE, [recordKey("b", 0)]: STATE };
    world.put(shardNamed("s", "1", { ...states, [recordKey("c", 0)]: STATE }));
    world.image.absorbSlice(slice("a", "s"));
    // Of b there is no slice now; c is gone.
    world.topics.push("a", "b");
    world.controller.start();
    await world.scheduler.advance(12_000);
    assert.deepEqual(Object.keys(world.stored.get("s")?.status?.partitions ?? {}), ["a.0", "b.0"]);
    world.controller.stop();
  });

  it("take out the record of a partition whose slice names another shard, once it is recorded there", async () => {
    const world = new World();
    const key = recordKey("a", 0);
    world.put(shardNamed("old", "1", { [key]: STATE }));
    world.put(shardNamed("new", "2", {}));
    world.image.absorbSlice(slice("a", "new"));
    world.topics.push("a");
    world.controller.start();
    await world.scheduler.advance(100);
    assert.deepEqual(world.stored.get("new")?.status?.partitions, { [key]: STATE });
    await world.scheduler.advance(12_000);
    assert.deepEqual(world.stored.get("old")?.status?.partitions, {});
    assert.deepEqual(Object.keys(world.stored.get("new")?.status?.partitions ?? {}), [key]);
    world.controller.stop();
  });

  it("are a bounded number at a time, and those that elect leaders come first", async () => {
    const world = new World();
    const led = (leader: number, name: string): void => {
      world.put(shardNamed(name, "1", { [recordKey(name, 0)]: `${leader}/0 isr 1,0 #0` }));
      world.image.absorbSlice(slice(name, name));
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
