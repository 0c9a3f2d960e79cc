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
import type { Logger } from "../../../lib/logger.ts";
import { seededRandom } from "../../../lib/random.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

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

  it("takes no account of lists and events that are older than what is known", () => {
    const state = fresh();
    state.listed({ items: [thing("a", "7")], resourceVersion: "9" });
    assert.equal(state.observed({ type: "MODIFIED", object: thing("a", "8") }), undefined);
    assert.equal(state.observed({ type: "BOOKMARK", resourceVersion: "5" }), undefined);
    assert.equal(state.observed({ type: "DELETED", object: thing("a", "6") }), undefined);
    assert.equal(state.newest, "9");
    assert.equal(state.items.size, 1);
    assert.equal(state.refuses({ items: [], resourceVersion: "8" }), true);
    assert.equal(state.refuses({ items: [], resourceVersion: "10" }), false);
    assert.equal(state.observed({ type: "DELETED", object: thing("a", "10") })?.type, "DELETED");
  });

  it("believes lists that stay older: the store was put back to an earlier state", () => {
    const state = fresh();
    state.listed({ items: [], resourceVersion: "900" });
    const old = { items: [thing("a", "7")], resourceVersion: "9" };
    let refused = 0;
    while (state.refuses(old)) refused++;
    assert.ok(refused >= 10 && refused <= 30, `${refused}`);
    state.listed(old);
    assert.equal(state.newest, "9");
    assert.equal(state.observed({ type: "MODIFIED", object: thing("a", "10") })?.type, "MODIFIED");
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

  it("waits as long as the server asked for, within bounds", () => {
    const delayAfter = (retryAfter: number): number => {
      const step = fresh().failed(retryAfter);
      assert.ok(step.kind === "wait");
      return step.delay;
    };
    assert.ok(delayAfter(3_000) >= 3_000 && delayAfter(3_000) < 3_100);
    assert.ok(delayAfter(86_400_000) < 61_000);
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

  function setUp(
    lists: (() => KubeObject[])[],
    settings: {
      readonly scheduler?: Scheduler;
      readonly logger?: Logger;
      readonly panic?: (error: unknown) => void;
      /** Done within the call of `watch`, before the handle is returned. */
      readonly atOnce?: ((handlers: WatchHandlers<KubeObject>) => void)[];
    } = {},
  ): {
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
        settings.atOnce?.shift()?.(given);
        return { close: () => log.push("closed") };
      },
    } as unknown as KubeApi;
    const informer = createInformer({
      api,
      resource: things,
      namespace: "ns",
      scheduler: settings.scheduler ?? impatient,
      random: seededRandom(1),
      logger: settings.logger ?? silentLogger,
      ...(settings.panic === undefined ? {} : { panic: settings.panic }),
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

  it("lists again when its watch is known to have missed something", async () => {
    const { informer, log, watch, settle } = setUp([
      () => [thing("a", "1")],
      () => [thing("a", "1"), thing("b", "2")],
    ]);
    informer.start();
    informer.relist();
    await informer.synced;
    const dead = watch();
    informer.relist();
    // It is at it already.
    informer.relist();
    await settle();
    dead.onEvent({ type: "ADDED", object: thing("late", "999") });
    assert.deepEqual(log, ["ADDED a", "watch 100", "closed", "ADDED b", "watch 101"]);
    informer.stop();
  });

  it("refuses a list of long ago, and lists again", async () => {
    const { informer, log, watch, settle } = setUp([
      () => [thing("a", "1")],
      () => [],
      () => [thing("b", "2")],
    ]);
    informer.start();
    await informer.synced;
    watch().onEvent({ type: "BOOKMARK", resourceVersion: "102" });
    watch().onEnd(kubeErrorFor(410, "Expired", "too old"));
    await settle();
    assert.deepEqual(log, ["ADDED a", "watch 100", "ADDED b", "DELETED a", "watch 102"]);
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

  describe("with a listener that throws", () => {
    const broken = new Error("broken listener");
    const failing = (informer: Informer<KubeObject>, log: string[]): void => {
      informer.onChange(({ object }) => {
        if (object.metadata.name === "bad") throw broken;
      });
      informer.onChange(({ type, object }) => log.push(`second ${type} ${object.metadata.name}`));
    };

    it("logs the error and goes on with the other listeners, the list and the watch", async () => {
      const errors: unknown[] = [];
      const logger: Logger = {
        ...silentLogger,
        error: (_message, fields) => errors.push(fields?.["name"]),
      };
      const { informer, log, watch } = setUp([() => [thing("bad", "1"), thing("b", "2")]], {
        logger,
      });
      failing(informer, log);
      informer.start();
      await informer.synced;
      watch().onEvent({ type: "MODIFIED", object: thing("bad", "101") });
      watch().onEvent({ type: "MODIFIED", object: thing("b", "102") });
      assert.deepEqual(log, [
        "ADDED bad",
        "second ADDED bad",
        "ADDED b",
        "second ADDED b",
        "watch 100",
        "MODIFIED bad",
        "second MODIFIED bad",
        "MODIFIED b",
        "second MODIFIED b",
      ]);
      assert.deepEqual(errors, ["bad", "bad"]);
      informer.stop();
    });

    it("gives the error to panic", async () => {
      const panics: unknown[] = [];
      const { informer, log } = setUp([() => [thing("bad", "1")]], {
        panic: (error) => {
          panics.push(error);
          informer.stop();
        },
      });
      failing(informer, log);
      informer.start();
      await informer.synced;
      assert.deepEqual(panics, [broken]);
      assert.deepEqual(log, ["ADDED bad"], "nothing is announced once it was stopped");
    });
  });

  it("keeps no handle of a watch that ended before it was returned", async () => {
    const { informer, log, watch, settle } = setUp([() => []], {
      atOnce: [
        (handlers) => {
          handlers.onEnd(new Error("refused"));
        },
      ],
    });
    informer.start();
    await informer.synced;
    await settle();
    assert.deepEqual(log, ["watch 100", "watch 100"]);
    watch().onEvent({ type: "ADDED", object: thing("a", "101") });
    informer.stop();
    assert.deepEqual(log.slice(2), ["ADDED a", "closed"], "only the second one is closed");
  });

  it("keeps the handle of the watch begun within the end of the one before", async () => {
    const { informer, log } = setUp([() => []], {
      atOnce: [
        (handlers) => {
          handlers.onEnd(undefined);
        },
      ],
    });
    informer.start();
    await informer.synced;
    assert.deepEqual(log, ["watch 100", "watch 100"], "an orderly end is followed at once");
    informer.stop();
    assert.deepEqual(log.slice(2), ["closed"]);
  });

  it("closes the watch that a listener stopped it in before the handle was there", async () => {
    const { informer, log } = setUp([() => []], {
      atOnce: [
        (handlers) => {
          handlers.onEvent({ type: "ADDED", object: thing("a", "101") });
        },
      ],
    });
    informer.onChange(() => {
      informer.stop();
    });
    informer.start();
    await informer.synced;
    assert.deepEqual(log, ["watch 100", "ADDED a", "closed"]);
  });

  it("says when the API was last heard: list, event, bookmark, orderly end, and nothing else", async () => {
    const scheduler = new VirtualScheduler();
    const { informer, watch } = setUp([() => []], { scheduler });
    assert.equal(informer.lastHeard, undefined);
    await scheduler.advance(10);
    informer.start();
    await scheduler.advance(0);
    assert.equal(informer.lastHeard, 10);
    const step = async (at: number, act: () => void): Promise<number | undefined> => {
      await scheduler.advance(at - scheduler.now());
      act();
      return informer.lastHeard;
    };
    const added = { type: "ADDED", object: thing("a", "101") } as const;
    assert.equal(
      await step(20, () => {
        watch().onEvent(added);
      }),
      20,
    );
    const bookmark = { type: "BOOKMARK", resourceVersion: "110" } as const;
    assert.equal(
      await step(30, () => {
        watch().onEvent(bookmark);
      }),
      30,
    );
    assert.equal(
      await step(40, () => {
        watch().onEnd(undefined);
      }),
      40,
    );
    assert.equal(
      await step(50, () => {
        watch().onEnd(new Error("reset"));
      }),
      40,
    );
    informer.stop();
  });

  it("comes back no sooner than the server asked for", async () => {
    const scheduler = new VirtualScheduler();
    const { informer, log, watch } = setUp([() => []], { scheduler });
    informer.start();
    await scheduler.advance(0);
    watch().onEnd(new ServerBusyError(429, "TooManyRequests", "busy", 2));
    await scheduler.advance(1_999);
    assert.deepEqual(log, ["watch 100"]);
    await scheduler.advance(100);
    assert.deepEqual(log, ["watch 100", "watch 100"]);
    informer.stop();
  });
});
