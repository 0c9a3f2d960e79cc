import assert from "node:assert/strict";
import fc from "fast-check";
import type { BrokerId } from "../../../cluster/broker.ts";
import { placePartitions } from "../../../cluster/replica-placement.ts";
import { runs } from "../../support/runs.ts";

const cluster = fc.record({
  racks: fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 9, size: "max" }),
  partitions: fc.integer({ min: 1, max: 40 }),
  replicas: fc.integer({ min: 1, max: 5 }),
});

function spread(counts: ReadonlyMap<BrokerId, number>): number {
  return Math.max(...counts.values()) - Math.min(...counts.values());
}

function tally(brokers: readonly BrokerId[], ids: readonly BrokerId[]): Map<BrokerId, number> {
  const counts = new Map(brokers.map((id) => [id, 0]));
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

describe("placement of replicas", () => {
  it("puts no two replicas of a partition on one broker", () => {
    fc.assert(
      fc.property(cluster, ({ racks, partitions, replicas }) => {
        const brokers = racks.map((rack, id) => ({ id, rack }));
        const placed = placePartitions({
          partitions,
          replicas: Math.min(replicas, brokers.length),
          brokers,
        });
        assert.equal(placed.length, partitions);
        for (const one of placed) {
          assert.equal(one.length, Math.min(replicas, brokers.length));
          assert.equal(new Set(one).size, one.length);
        }
      }),
      runs(),
    );
  });

  it("without racks, gives each broker as many replicas and leaderships as any other, give or take one", () => {
    fc.assert(
      fc.property(cluster, ({ racks, partitions, replicas }) => {
        const ids = racks.map((_, id) => id);
        const placed = placePartitions({
          partitions,
          replicas: Math.min(replicas, ids.length),
          brokers: ids.map((id) => ({ id })),
        });
        assert.ok(spread(tally(ids, placed.flat())) <= 1, "replicas");
        const leaders = placed.map(([leader]) => leader ?? -1);
        assert.ok(spread(tally(ids, leaders)) <= 1, "leaders");
      }),
      runs(),
    );
  });

  it("uses as many racks as there are, or as there are replicas", () => {
    fc.assert(
      fc.property(cluster, ({ racks, partitions, replicas }) => {
        const brokers = racks.map((rack, id) => ({ id, rack }));
        const count = Math.min(replicas, brokers.length);
        const available = new Set(racks).size;
        for (const one of placePartitions({ partitions, replicas: count, brokers })) {
          const used = new Set(one.map((id) => racks[id]));
          assert.equal(used.size, Math.min(count, available));
        }
      }),
      runs(),
    );
  });

  it("keeps a grown topic even, as though it had been made at once", () => {
    fc.assert(
      fc.property(cluster, fc.integer({ min: 1, max: 20 }), (shape, more) => {
        const ids = shape.racks.map((_, id) => id);
        const brokers = ids.map((id) => ({ id }));
        const replicas = Math.min(shape.replicas, ids.length);
        const present = placePartitions({ partitions: shape.partitions, replicas, brokers });
        const added = placePartitions({ partitions: more, replicas, brokers, present });
        const all = [...present, ...added];
        assert.ok(spread(tally(ids, all.flat())) <= 1, "replicas");
        if (replicas === ids.length || replicas === 1) {
          // In between, an even spread of replicas may leave no chain that evens out the new leaders alone.
          assert.ok(
            spread(
              tally(
                ids,
                all.map(([leader]) => leader ?? -1),
              ),
            ) <= 1,
            "leaders",
          );
        }
      }),
      runs(),
    );
  });

  it("gives a topic of one partition to the broker that has least of the cluster", () => {
    const placed = placePartitions({
      partitions: 1,
      replicas: 1,
      brokers: [{ id: 0 }, { id: 1 }, { id: 2 }],
      others: [
        [0, 1],
        [1, 0],
        [2, 0],
      ],
    });
    assert.deepEqual(placed, [[2]]);
  });
});
