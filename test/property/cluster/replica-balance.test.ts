import assert from "node:assert/strict";
import fc from "fast-check";
import type { BrokerId } from "../../../cluster/broker.ts";
import { type BalancedTopic, balanceReplicas } from "../../../cluster/replica-balance.ts";
import { placePartitions, type PlacementBroker } from "../../../cluster/replica-placement.ts";
import { runs } from "../../support/runs.ts";

const shapes = fc.array(
  fc.record({
    partitions: fc.integer({ min: 1, max: 12 }),
    replicas: fc.integer({ min: 1, max: 3 }),
  }),
  { minLength: 1, maxLength: 8, size: "max" },
);

function placed(
  topics: readonly { readonly partitions: number; readonly replicas: number }[],
  brokers: readonly PlacementBroker[],
): BalancedTopic[] {
  const others: BrokerId[][] = [];
  return topics.map(({ partitions, replicas }, at) => {
    const count = Math.min(replicas, brokers.length);
    const placement = placePartitions({ partitions, replicas: count, brokers, others });
    others.push(...placement);
    return { id: `t${at}`, replicas: count, partitions: placement };
  });
}

function ids(count: number): PlacementBroker[] {
  return Array.from({ length: count }, (_, id) => ({ id }));
}

function tally(brokers: readonly PlacementBroker[], list: readonly BrokerId[]): number[] {
  return brokers.map(({ id }) => list.filter((other) => other === id).length);
}

function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

describe("balance of replicas", () => {
  it("leaves alone what is placed evenly", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 6 }), (topics, count) => {
        const before = placed(topics, ids(count));
        const after = balanceReplicas(before, ids(count), false);
        for (const topic of before) assert.deepEqual(after.get(topic.id), topic.partitions);
      }),
      runs(),
    );
  });

  it("gives brokers that join their share of every topic, of replicas and of leaderships", () => {
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 3, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        (topics, count, more) => {
          const brokers = ids(count + more);
          const after = balanceReplicas(placed(topics, ids(count)), brokers, true);
          const all = [...after.values()].flat();
          for (const partitions of after.values()) {
            assert.ok(spread(tally(brokers, partitions.flat())) <= 1, "replicas of a topic");
            for (const one of partitions) assert.equal(new Set(one).size, one.length);
          }
          assert.ok(spread(tally(brokers, all.flat())) <= 2, "replicas of the cluster");
        },
      ),
      runs(),
    );
  });

  it("moves no more replicas of a topic than the joining broker gets", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 3, max: 5 }), (topics, count) => {
        // Of several topics, some may also move to even out what was uneven over the cluster before.
        const before = placed(topics.slice(0, 1), ids(count));
        const after = balanceReplicas(before, ids(count + 1), true);
        let moved = 0;
        let received = 0;
        for (const topic of before) {
          for (const [at, replicas] of topic.partitions.entries()) {
            const now = after.get(topic.id)?.[at] ?? [];
            moved += now.filter((id) => !replicas.includes(id)).length;
            received += now.filter((id) => id === count).length;
          }
        }
        assert.equal(moved, received);
      }),
      runs(),
    );
  });

  it("empties brokers that leave, without spreading anything else", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 4, max: 6 }), (topics, count) => {
        const before = placed(topics, ids(count));
        const after = balanceReplicas(before, ids(3), false);
        for (const topic of before) {
          for (const [at, replicas] of topic.partitions.entries()) {
            const now = after.get(topic.id)?.[at] ?? [];
            assert.equal(now.length, replicas.length);
            assert.equal(new Set(now).size, now.length);
            assert.ok(now.every((id) => id < 3));
            const staying = replicas.filter((id) => id < 3);
            assert.ok(
              staying.every((id) => now.includes(id)),
              "what could stay has stayed",
            );
          }
        }
      }),
      runs(),
    );
  });

  it("leaves replicas on a broker that is away, and gives it none", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 4, max: 6 }), (topics, count) => {
        const before = placed(topics, ids(count));
        const brokers = ids(count - 1).map(({ id }) => ({ id, absent: id === 0 }));
        const after = balanceReplicas(before, brokers, false);
        for (const topic of before) {
          for (const [at, replicas] of topic.partitions.entries()) {
            const now = after.get(topic.id)?.[at] ?? [];
            assert.equal(now.includes(0), replicas.includes(0));
          }
        }
      }),
      runs(),
    );
  });

  it("changes the number of replicas and keeps the leader", () => {
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 3, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        (topics, count, wanted) => {
          const before = placed(topics, ids(count));
          const after = balanceReplicas(
            before.map((topic) => ({ ...topic, replicas: wanted })),
            ids(count),
            false,
          );
          for (const topic of before) {
            for (const [at, replicas] of topic.partitions.entries()) {
              const now = after.get(topic.id)?.[at] ?? [];
              assert.equal(now.length, wanted);
              assert.equal(now[0], replicas[0]);
              const kept = now.filter((id) => replicas.includes(id));
              assert.equal(kept.length, Math.min(wanted, replicas.length));
            }
          }
        },
      ),
      runs(),
    );
  });

  it("never takes a rack from a partition", () => {
    const racked = fc.array(fc.constantFrom("a", "b", "c"), {
      minLength: 3,
      maxLength: 7,
      size: "max",
    });
    fc.assert(
      fc.property(shapes, racked, fc.integer({ min: 1, max: 3 }), (topics, racks, fewer) => {
        const brokers = racks.map((rack, id) => ({ id, rack }));
        const before = placed(topics, brokers.slice(0, Math.max(1, brokers.length - fewer)));
        const after = balanceReplicas(before, brokers, true);
        for (const topic of before) {
          for (const [at, replicas] of topic.partitions.entries()) {
            const of = (list: readonly BrokerId[]): number =>
              new Set(list.map((id) => racks[id])).size;
            assert.ok(of(after.get(topic.id)?.[at] ?? []) >= of(replicas));
          }
        }
      }),
      runs(),
    );
  });

  it("does not move what somebody has chosen", () => {
    const [topic] = placed([{ partitions: 6, replicas: 2 }], ids(3));
    const chosen = topic?.partitions.map(() => [0, 1]) ?? [];
    const after = balanceReplicas(
      [{ id: "t", replicas: 2, partitions: topic?.partitions ?? [], chosen }],
      ids(5),
      true,
    );
    assert.deepEqual(after.get("t"), chosen);
  });
});
