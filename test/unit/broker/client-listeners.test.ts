import assert from "node:assert/strict";
import { ClientListeners } from "../../../broker/client-listeners.ts";
import type { Listening } from "../../../broker/network/frame-channel.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

/** Ports of one machine: one listener each; opening and closing takes 10 ms. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly taken = new Set<number>();
  readonly said: string[] = [];
  readonly listeners = new ClientListeners({
    scheduler: this.scheduler,
    logger: silentLogger,
    open: async (name, port): Promise<Listening> => {
      await this.#pause();
      if (this.taken.has(port)) throw new Error("EADDRINUSE");
      this.taken.add(port);
      this.said.push(`+${name}:${port}`);
      return {
        port,
        close: async () => {
          await this.#pause();
          this.taken.delete(port);
          this.said.push(`-${name}:${port}`);
        },
      };
    },
  });

  want(ports: Readonly<Record<string, number>>): void {
    this.listeners.want(new Map(Object.entries(ports)));
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.scheduler.after(10, resolve));
  }
}

describe("listeners for clients from outside", () => {
  const cases: readonly {
    readonly what: string;
    /** One after the other, when the one before is done. */
    readonly wanted: readonly Readonly<Record<string, number>>[];
    readonly said: readonly string[];
  }[] = [
    { what: "none", wanted: [{}], said: [] },
    { what: "two", wanted: [{ a: 1, b: 2 }], said: ["+a:1", "+b:2"] },
    { what: "the same again", wanted: [{ a: 1 }, { a: 1 }], said: ["+a:1"] },
    { what: "one less", wanted: [{ a: 1, b: 2 }, { b: 2 }], said: ["+a:1", "+b:2", "-a:1"] },
    { what: "another port", wanted: [{ a: 1 }, { a: 2 }], said: ["+a:1", "-a:1", "+a:2"] },
    {
      what: "ports that change places",
      wanted: [
        { a: 1, b: 2 },
        { a: 2, b: 1 },
      ],
      said: ["+a:1", "+b:2", "-a:1", "-b:2", "+a:2", "+b:1"],
    },
  ];
  for (const { what, wanted, said } of cases) {
    it(`opens and closes what has changed: ${what}`, async () => {
      const world = new World();
      for (const ports of wanted) {
        world.want(ports);
        await world.scheduler.advance(1000);
      }
      assert.deepEqual(world.said, said);
    });
  }

  it("wishes that change while one is carried out come to what was wished last", async () => {
    const world = new World();
    for (const port of [1, 2, 3]) {
      world.want({ a: port });
      await world.scheduler.advance(5);
    }
    await world.scheduler.advance(1000);
    assert.deepEqual([...world.taken], [3]);
  });

  it("one whose port is taken is opened when the port is free, and keeps no other waiting", async () => {
    const world = new World();
    world.taken.add(1);
    world.want({ a: 1, b: 2 });
    await world.scheduler.advance(12_000);
    assert.deepEqual(world.said, ["+b:2"]);
    world.taken.delete(1);
    await world.scheduler.advance(6000);
    assert.deepEqual(world.said, ["+b:2", "+a:1"]);
  });

  it("are closed with the broker, also one that was being opened, and stay closed", async () => {
    const world = new World();
    world.want({ a: 1 });
    await world.scheduler.advance(1000);
    world.want({ a: 1, b: 2 });
    await world.scheduler.until(world.listeners.close());
    world.want({ a: 1 });
    await world.scheduler.advance(20_000);
    assert.deepEqual([...world.taken], []);
    assert.deepEqual(world.said, ["+a:1", "+b:2", "-a:1", "-b:2"]);
  });
});
