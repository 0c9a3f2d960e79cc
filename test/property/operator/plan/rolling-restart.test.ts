import assert from "node:assert/strict";
import fc from "fast-check";
import type { ReplicatedPartition } from "../../../../cluster/restart-safety.ts";
import {
  planRollingRestart,
  type RollingBroker,
} from "../../../../operator/plan/rolling-restart.ts";
import { runs } from "../../../support/runs.ts";

interface Model {
  readonly brokers: RollingBroker[];
  readonly partitions: ReplicatedPartition[];
  readonly controller: number | undefined;
}

/** A cluster all of whose brokers run the old template, with whole in-sync replicas but for some that lag. */
function cluster(): fc.Arbitrary<Model> {
  return fc.integer({ min: 1, max: 6 }).chain((count) => {
    const ids = Array.from({ length: count }, (_, id) => id);
    const one = fc.subarray(ids, { minLength: 1 }).chain((replicas) =>
      fc.record({
        replicas: fc.constant(replicas),
        wantedReplicas: fc.constant(replicas.length),
        isr: fc.subarray(replicas, { minLength: 1 }),
        minInSyncReplicas: fc.integer({ min: 1, max: replicas.length }),
      }),
    );
    return fc.record({
      brokers: fc.constant(
        ids.map((id) => ({ id, gone: false, outdated: true, ready: true, running: true })),
      ),
      partitions: fc
        .array(one, { maxLength: 12 })
        .map((list) => list.map((each, at) => ({ ...each, topic: "t", name: `t-${at}` }))),
      controller: fc.option(fc.constantFrom(...ids), { nil: undefined }),
    });
  });
}

/** What brokers and kubelet do of themselves, in an order that chance decides. */
type Event = "podBack" | "ready" | "registered" | "inSync" | "lag";
const events = fc.array(
  fc.tuple(
    fc.constantFrom<Event>("podBack", "ready", "registered", "inSync", "inSync", "lag"),
    fc.nat(),
  ),
  { maxLength: 120 },
);

class World {
  readonly brokers: RollingBroker[];
  readonly partitions: ReplicatedPartition[];
  readonly controller: number | undefined;
  readonly restarted: number[] = [];

  constructor({ brokers, partitions, controller }: Model) {
    this.brokers = [...brokers];
    this.partitions = [...partitions];
    this.controller = controller;
  }

  /** One look of the operator; checks what it does. */
  look(): void {
    const { next } = planRollingRestart(this);
    if (next === undefined) return;
    const away = this.brokers.filter((one) => one.gone || !one.ready || !one.running);
    assert.deepEqual(away, [], "one broker at a time");
    const outdated = this.brokers.filter((one) => one.outdated).map(({ id }) => id);
    assert(outdated.includes(next), "no broker is restarted for nothing");
    if (next === this.controller) assert.deepEqual(outdated, [next], "the controller last");
    for (const { name, replicas, isr, minInSyncReplicas } of this.partitions) {
      if (!replicas.includes(next)) continue;
      const rest: number = isr.filter((id) => id !== next).length;
      if (replicas.length > minInSyncReplicas) {
        assert(rest >= minInSyncReplicas, `${name} falls under its minimum`);
      } else assert.equal(rest, replicas.length - 1, `${name} is not whole`);
    }
    for (const { replicas, isr } of this.partitions) {
      for (const id of replicas) {
        if (!outdated.includes(id)) assert(isr.includes(id), "restarted brokers are back in sync");
      }
    }
    this.restarted.push(next);
    this.#set(next, { gone: true, ready: false, running: false });
    this.#leave(next);
  }

  happen(event: Event, at: number): void {
    const id = at % this.brokers.length;
    const broker = this.brokers[id];
    if (broker === undefined) return;
    switch (event) {
      case "podBack":
        if (broker.gone) this.#set(id, { gone: false, outdated: false });
        return;
      case "registered":
        if (!broker.gone) this.#set(id, { running: true });
        return;
      case "ready":
        if (broker.running) this.#set(id, { ready: true });
        return;
      case "inSync":
        if (broker.running) this.#join(id, at);
        return;
      case "lag": {
        const index = at % Math.max(1, this.partitions.length);
        const partition = this.partitions[index];
        if (partition === undefined || partition.isr.length < 2) return;
        this.partitions[index] = { ...partition, isr: partition.isr.filter((one) => one !== id) };
      }
    }
  }

  /** Everything comes right in the end. */
  heal(): void {
    for (const { id } of this.brokers) {
      this.happen("podBack", id);
      this.happen("registered", id);
      this.happen("ready", id);
    }
    for (const [at, partition] of this.partitions.entries()) {
      this.partitions[at] = { ...partition, isr: partition.replicas };
    }
  }

  #set(id: number, change: Partial<RollingBroker>): void {
    const broker = this.brokers[id];
    if (broker !== undefined) this.brokers[id] = { ...broker, ...change };
  }
  #leave(id: number): void {
    for (const [at, partition] of this.partitions.entries()) {
      this.partitions[at] = { ...partition, isr: partition.isr.filter((one) => one !== id) };
    }
  }
  #join(id: number, at: number): void {
    const index = at % Math.max(1, this.partitions.length);
    const partition = this.partitions[index];
    if (partition === undefined || !partition.replicas.includes(id)) return;
    this.partitions[index] = { ...partition, isr: [...new Set([...partition.isr, id])] };
  }
}

describe("rolling restart, whatever happens meanwhile", () => {
  it("takes no partition under its minimum, never two brokers at once, and the controller last", () => {
    fc.assert(
      fc.property(cluster(), events, (model, happenings) => {
        const world = new World(model);
        for (const [event, at] of happenings) {
          world.look();
          world.happen(event, at);
        }
      }),
      runs(),
    );
  });

  it("restarts every broker once when everything heals between its steps", () => {
    fc.assert(
      fc.property(cluster(), events, (model, happenings) => {
        const world = new World(model);
        for (const [event, at] of happenings) {
          world.look();
          world.happen(event, at);
        }
        for (let round = 0; round <= world.brokers.length; round++) {
          world.heal();
          world.look();
        }
        assert.deepEqual(
          [...world.restarted].sort((a, b) => a - b),
          world.brokers.map(({ id }) => id),
        );
      }),
      runs(),
    );
  });
});
