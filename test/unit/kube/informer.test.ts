import assert from "node:assert/strict";
import type { KubeApi, Resource, WatchHandlers } from "../../../kube/api.ts";
import { ServerBusyError, kubeErrorFor } from "../../../kube/errors.ts";
import { createInformer } from "../../../kube/informer.ts";
import type { Informer } from "../../../kube/informer.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { WatchState } from "../../../kube/watch-state.ts";
import { realScheduler } from "../../../lib/clock.ts";
import type { Scheduler } from "../../../lib/clock.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { seededRandom } from "../../../lib/random.ts";

const things: Resource = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };

function thing(name: string, resourceVersion: string, namespace = "ns"): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, resourceVersion, uid: `uid-${name}` },
  };
}

describe("watch state", () => {
  const fresh = (): WatchState<KubeObject> => new WatchState(true, seededRandom(1));

  it("yields only the differences of a relist, and what is gone", () => {
    const state = fresh();
    state.listed({
      items: [thing("a", "1"), thing("b", "2"), thing("c", "3")],
      resourceVersion: "3",
    });
    const changes = state.listed({
      items: [thing("a", "1"), thing("b", "5"), thing("d", "6")],
      resourceVersion: "6",
    });
    assert.deepEqual(
      changes.map(({ type, object }) => `${type} ${object.metadata.name}`),
      ["MODIFIED b", "ADDED d", "DELETED c"],
    );
    assert.deepEqual([...state.items.keys()].sort(), ["a", "b", "d"]);
  });

  it("watches on from the newest event or bookmark, and lists again after 410", () => {
    const state = fresh();
    assert.equal(state.next().kind, "list");
    state.listed({ items: [], resourceVersion: "3" });
    state.observed({ type: "ADDED", object: thing("a", "7") });
    state.observed({ type: "BOOKMARK", resourceVersion: "9" });
    const step = state.ended();
    assert.ok(step.kind === "watch" && step.resourceVersion === "9");
    state.observed({ type: "BOOKMARK", resourceVersion: "10" });
    assert.equal(state.expired().kind, "list");
    assert.equal(state.items.size, 1);
  });

  it("backs off longer with each failure, up to five seconds", () => {
    const state = fresh();
    const delays = Array.from({ length: 12 }, () => {
      const step = state.failed();
      assert.ok(step.kind === "wait");
      return step.delay;
    });
    assert.ok((delays[0] ?? 0) >= 25 && (delays[0] ?? 0) <= 50);
    assert.ok(delays.slice(8).every((delay) => delay >= 2_500 && delay <= 5_000));
  });

  it("paces a watch that the server ends again and again without an event", () => {
    const state = fresh();
    state.listed({ items: [], resourceVersion: "1" });
    assert.equal(state.ended().kind, "watch");
    assert.equal(state.ended().kind, "wait");
  });
});

describe("informer", () => {
  /** Timers fire at the end of the turn: delays are not what is tested here. */
  const impatient: Scheduler = {
    ...realScheduler,
    after: (_delay, callback) => realScheduler.after(0, callback),
  };

  function setUp(lists: (() => KubeObject[])[]): {
    informer: Informer<KubeObject>;
    log: string[];
    watch: () => WatchHandlers<KubeObject>;
    settle: () => Promise<void>;
  } {
    let handlers: WatchHandlers<KubeObject> | undefined;
    let version = 100;
    const log: string[] = [];
    const api = {
      list: () => {
        const next = lists.shift();
        if (next === undefined) return Promise.reject(new Error("no more lists"));
        try {
          return Promise.resolve({ items: next(), resourceVersion: String(version++) });
        } catch (error) {
          return Promise.reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
      watch: (
        _resource: Resource,
        _namespace: string,
        options: { resourceVersion: string },
        given: WatchHandlers<KubeObject>,
      ) => {
        log.push(`watch ${options.resourceVersion}`);
        handlers = given;
        return { close: () => log.push("closed") };
      },
    } as unknown as KubeApi;
    const informer = createInformer({
      api,
      resource: things,
      namespace: "ns",
      scheduler: impatient,
      random: seededRandom(1),
      logger: silentLogger,
    });
    informer.onChange(({ type, object }) => log.push(`${type} ${object.metadata.name}`));
    return {
      informer,
      log,
      watch: () => {
        assert.ok(handlers !== undefined);
        return handlers;
      },
      settle: async () => {
        for (let i = 0; i < 4; i++)
          await new Promise<void>((resolve) => realScheduler.after(0, resolve));
      },
    };
  }

  it("lists, announces, is synced, and then follows the watch", async () => {
    const { informer, log, watch } = setUp([() => [thing("a", "1")]]);
    informer.start();
    await informer.synced;
    watch().onEvent({ type: "MODIFIED", object: thing("a", "101") });
    watch().onEvent({ type: "DELETED", object: thing("a", "102") });
    assert.deepEqual(log, ["ADDED a", "watch 100", "MODIFIED a", "DELETED a"]);
    assert.equal(informer.items().size, 0);
    informer.stop();
  });

  it("goes on after failures and after 410 by itself", async () => {
    const { informer, log, watch, settle } = setUp([
      () => {
        throw new ServerBusyError(503, "ServiceUnavailable", "starting");
      },
      () => [thing("a", "1")],
      () => [thing("b", "2")],
    ]);
    informer.start();
    await informer.synced;
    watch().onEnd(new Error("connection reset"));
    await settle();
    watch().onEnd(kubeErrorFor(410, "Expired", "too old"));
    await settle();
    assert.deepEqual(log, [
      "ADDED a",
      "watch 100",
      "watch 100",
      "ADDED b",
      "DELETED a",
      "watch 101",
    ]);
    informer.stop();
  });

  it("tells nothing after it was stopped", async () => {
    const { informer, log, watch } = setUp([() => []]);
    informer.start();
    await informer.synced;
    informer.stop();
    watch().onEvent({ type: "ADDED", object: thing("late", "105") });
    watch().onEnd(undefined);
    assert.deepEqual(log, ["watch 100", "closed"]);
  });
});
