import assert from "node:assert/strict";
import { CLUSTER_LABEL, partitionSlices, topics } from "../../../cluster/resources.ts";
import type { KubeApi, Resource, WatchHandle, WatchHandlers } from "../../../kube/api.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { watchedWrites } from "../../../operator/watched-writes.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

const LABELS = { [CLUSTER_LABEL]: "c" };

/** An API whose watches bring what they are told to, and which gives each write that it is told to. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly ends: (string | undefined)[] = [];
  closed = 0;
  #handlers: WatchHandlers<KubeObject> | undefined;
  readonly #api: KubeApi;
  #written = objectOf("");
  readonly #handle: WatchHandle;

  constructor(labelSelector?: string, namespace = "") {
    const kube = {
      create: () => Promise.resolve(this.#written),
      watch: (...[, , , handlers]: Parameters<KubeApi["watch"]>) => {
        this.#handlers = handlers;
        return { close: () => this.closed++ };
      },
    } as unknown as KubeApi;
    this.#api = watchedWrites(kube, this.scheduler);
    this.#handle = this.#api.watch(
      partitionSlices,
      namespace,
      {
        resourceVersion: "100",
        timeoutSeconds: 300,
        ...(labelSelector === undefined ? {} : { labelSelector }),
      },
      {
        onEvent: () => undefined,
        onEnd: (error) => this.ends.push(error?.message),
      },
    );
  }

  async write(object: KubeObject, resource: Resource = partitionSlices): Promise<void> {
    this.#written = object;
    await this.scheduler.until(this.#api.create(resource, "default", object));
  }

  bring(resourceVersion: string): void {
    this.#handlers?.onEvent({ type: "MODIFIED", object: objectOf(resourceVersion) });
  }

  bookmark(resourceVersion: string): void {
    this.#handlers?.onEvent({ type: "BOOKMARK", resourceVersion });
  }

  /** The server ends the watch in order. */
  end(): void {
    this.#handlers?.onEnd(undefined);
  }

  close(): void {
    this.#handle.close();
  }
}

function objectOf(
  resourceVersion: string,
  labels: Readonly<Record<string, string>> = LABELS,
): KubeObject {
  return { apiVersion: "", kind: "", metadata: { name: "one", resourceVersion, labels } };
}

describe("watches of what an operator writes", () => {
  it("go on when they show it", async () => {
    const world = new World(CLUSTER_LABEL);
    await world.write(objectOf("120"));
    await world.scheduler.advance(500);
    world.bring("120");
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.ends, []);
  });

  it("are ended when they bring nothing for ten seconds and do not show it", async () => {
    const world = new World(`${CLUSTER_LABEL}=c`);
    await world.write(objectOf("120"));
    await world.scheduler.advance(9000);
    assert.deepEqual(world.ends, []);
    await world.scheduler.advance(2000);
    assert.deepEqual(world.ends, ["it does not show what was written"]);
    assert.equal(world.closed, 1);
    world.bring("120");
    await world.scheduler.advance(60_000);
    assert.equal(world.ends.length, 1, "once");
  });

  it("go on while they are late and bring other things", async () => {
    const world = new World();
    await world.write(objectOf("120"));
    for (let at = 1; at < 15; at++) {
      await world.scheduler.advance(3000);
      if (at % 2 === 0) world.bring(String(100 + at));
      else world.bookmark(String(100 + at));
    }
    assert.deepEqual(world.ends, []);
    // The version of a bookmark or of another object tells that all before it was shown.
    world.bookmark("121");
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.ends, []);
  });

  it("need not show what changed nothing, other kinds and namespaces, and what has not their label", async () => {
    const world = new World(`${CLUSTER_LABEL}=c`);
    await world.write(objectOf("100"));
    await world.write(objectOf("120"), topics);
    await world.write(objectOf("120", {}));
    await world.write(objectOf("120", { [CLUSTER_LABEL]: "another" }));
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.ends, []);
    const elsewhere = new World(undefined, "elsewhere");
    await elsewhere.write(objectOf("120"));
    await elsewhere.scheduler.advance(60_000);
    assert.deepEqual(elsewhere.ends, []);
    const there = new World(undefined, "default");
    await there.write(objectOf("120"));
    await there.scheduler.advance(60_000);
    assert.equal(there.ends.length, 1);
  });

  it("are nobody's business once they are closed, or have ended", async () => {
    const closed = new World();
    await closed.write(objectOf("120"));
    closed.close();
    await closed.scheduler.advance(60_000);
    assert.deepEqual([closed.ends, closed.closed], [[], 1]);
    const ended = new World();
    await ended.write(objectOf("120"));
    ended.end();
    await ended.scheduler.advance(60_000);
    assert.deepEqual(ended.ends, [undefined]);
  });
});
