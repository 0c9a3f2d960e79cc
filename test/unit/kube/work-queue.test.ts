import assert from "node:assert/strict";
import { WorkQueue } from "../../../kube/work-queue.ts";
import type { Scheduler } from "../../../lib/clock.ts";
import { seededRandom } from "../../../lib/random.ts";

/** Time that moves only when told. */
function manualScheduler(): { scheduler: Scheduler; advance: (by: number) => Promise<void> } {
  let now = 0;
  let waiting: { at: number; callback: () => void }[] = [];
  const scheduler: Scheduler = {
    now: () => now,
    wallNow: () => now,
    after(delay, callback) {
      const entry = { at: now + delay, callback };
      waiting.push(entry);
      return { cancel: () => (waiting = waiting.filter((each) => each !== entry)) };
    },
    soon: (callback) => {
      queueMicrotask(callback);
    },
  };
  const advance = async (by: number): Promise<void> => {
    const until = now + by;
    for (;;) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      waiting.sort((a, b) => a.at - b.at);
      const next = waiting[0];
      if (next === undefined || next.at > until) break;
      waiting.shift();
      now = next.at;
      next.callback();
    }
    now = until;
  };
  return { scheduler, advance };
}

describe("work queue", () => {
  function setUp(handler: (key: string) => Promise<void>): {
    queue: WorkQueue;
    errors: number[];
    advance: (by: number) => Promise<void>;
  } {
    const { scheduler, advance } = manualScheduler();
    const errors: number[] = [];
    const queue = new WorkQueue({
      scheduler,
      random: seededRandom(1),
      handler,
      onError: (_key, _error, failures) => errors.push(failures),
    });
    return { queue, errors, advance };
  }

  it("handles a key that was added many times while it waited once", async () => {
    const handled: string[] = [];
    const { queue, advance } = setUp((key) => {
      handled.push(key);
      return Promise.resolve();
    });
    for (const key of ["first", "b", "b", "c", "b"]) queue.add(key);
    await advance(0);
    assert.deepEqual(handled, ["first", "b", "c"]);
    assert.equal(queue.size, 0);
  });

  it("handles a key once more when it was added during its handling, never twice at the same time", async () => {
    let running = 0;
    let runs = 0;
    const releases: (() => void)[] = [];
    const { queue, advance } = setUp(async () => {
      runs++;
      assert.equal(++running, 1);
      await new Promise<void>((resolve) => releases.push(resolve));
      running--;
    });
    queue.add("a");
    queue.add("a");
    queue.add("a");
    await advance(0);
    releases.shift()?.();
    await advance(0);
    assert.equal(runs, 2);
    releases.shift()?.();
    await advance(1_000);
    assert.equal(runs, 2);
  });

  it("brings a failed key back after a growing back-off and forgets its failures on success", async () => {
    let failing = true;
    let runs = 0;
    const { queue, errors, advance } = setUp(() => {
      runs++;
      return failing ? Promise.reject(new Error("no")) : Promise.resolve();
    });
    queue.add("a");
    await advance(24);
    assert.equal(runs, 1);
    await advance(10_000);
    assert.ok(runs >= 7 && runs <= 12, String(runs));
    assert.deepEqual(
      errors,
      Array.from({ length: runs }, (_, i) => i + 1),
    );
    failing = false;
    await advance(30_000);
    failing = true;
    queue.add("a");
    await advance(0);
    assert.equal(errors.at(-1), 1);
  });

  it("keeps the soonest of several delays, and starts nothing after stop", async () => {
    const handled: string[] = [];
    const { queue, advance } = setUp((key) => {
      handled.push(key);
      return Promise.resolve();
    });
    queue.addAfter("a", 100);
    queue.addAfter("a", 10);
    queue.addAfter("a", 50);
    await advance(10);
    assert.deepEqual(handled, ["a"]);
    await advance(200);
    assert.deepEqual(handled, ["a"]);
    queue.addAfter("b", 10);
    queue.stop();
    queue.add("c");
    await advance(100);
    assert.deepEqual(handled, ["a"]);
  });
});
