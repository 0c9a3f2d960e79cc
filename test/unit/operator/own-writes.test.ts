import assert from "node:assert/strict";
import { partitionSlices, topics } from "../../../cluster/resources.ts";
import type { KubeApi } from "../../../kube/api.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { OwnWrites, type WatchedCache } from "../../../operator/own-writes.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

/** A cache whose watch shows what it is told to. */
class World {
  readonly scheduler = new VirtualScheduler();
  relists = 0;
  newest: string | undefined = "100";
  lastHeard: number | undefined = 0;
  readonly #writes: OwnWrites;

  constructor() {
    const answer = (): Promise<KubeObject> => Promise.resolve(objectOf("120"));
    const kube = {
      create: answer,
      replace: () => Promise.resolve(objectOf("100")),
    } as unknown as KubeApi;
    const world = (): this => this;
    const cache: WatchedCache = {
      get newest() {
        return world().newest;
      },
      get lastHeard() {
        return world().lastHeard;
      },
      relist: () => {
        this.relists++;
      },
    };
    const caches = new Map([[partitionSlices.plural, cache]]);
    const { scheduler } = this;
    this.#writes = new OwnWrites({ kube, scheduler, logger: silentLogger }, caches);
  }

  create(resource = partitionSlices as unknown as typeof topics): Promise<unknown> {
    const object = objectOf("") as never;
    return this.scheduler.until(this.#writes.api.create(resource, "default", object));
  }

  /** A write that changes nothing. */
  replace(): Promise<unknown> {
    const object = objectOf("") as never;
    return this.scheduler.until(this.#writes.api.replace(partitionSlices, "default", object));
  }

  /** The watch brings something. */
  hear(newest: string): void {
    this.newest = newest;
    this.lastHeard = this.scheduler.now();
  }

  stop(): void {
    this.#writes.stop();
  }
}

function objectOf(resourceVersion: string): KubeObject {
  return { apiVersion: "", kind: "", metadata: { name: "one", resourceVersion } };
}

describe("an operator's own writes", () => {
  it("are seen by a watch that brings them", async () => {
    const world = new World();
    await world.create();
    await world.scheduler.advance(500);
    world.hear("120");
    await world.scheduler.advance(60_000);
    assert.equal(world.relists, 0);
  });

  it("that a watch which brings nothing does not show have it listed again, until it does", async () => {
    const world = new World();
    await world.create();
    await world.scheduler.advance(9000);
    assert.equal(world.relists, 0);
    await world.scheduler.advance(2000);
    assert.equal(world.relists, 1);
    await world.scheduler.advance(10_000);
    assert.equal(world.relists, 2);
    world.hear("130");
    await world.scheduler.advance(60_000);
    assert.equal(world.relists, 2);
  });

  it("are waited for while a watch that is late brings other things", async () => {
    const world = new World();
    await world.create();
    for (let at = 1; at < 15; at++) {
      await world.scheduler.advance(3000);
      world.hear(String(100 + at));
    }
    assert.equal(world.relists, 0);
  });

  it("that change nothing are in no watch, and neither are those of other kinds", async () => {
    const world = new World();
    await world.replace();
    await world.create(topics);
    await world.scheduler.advance(60_000);
    assert.equal(world.relists, 0);
  });

  it("are nobody's business after a stop, or before the first list", async () => {
    const stopped = new World();
    await stopped.create();
    stopped.stop();
    await stopped.scheduler.advance(60_000);
    const early = new World();
    early.newest = undefined;
    await early.create();
    await early.scheduler.advance(60_000);
    assert.equal(stopped.relists + early.relists, 0);
  });
});
