import assert from "node:assert/strict";
import {
  preferredReadReplica,
  type ReadableReplica,
} from "../../../../broker/replication/read-replica.ts";

const replica = (id: number, logEndOffset: number, rest: Partial<ReadableReplica> = {}) => ({
  id,
  logEndOffset,
  logStartOffset: 0,
  caughtUpAt: 0,
  ...rest,
});

describe("preferred read replica", () => {
  /** Racks of brokers 1, 2, 3; one that is not named cannot be gone to. */
  const racks = new Map([
    [1, "b"],
    [2, "b"],
    [3, "c"],
  ]);
  const cases: readonly [
    string,
    string,
    string | undefined,
    readonly ReadableReplica[],
    number?,
  ][] = [
    ["the one in the consumer's rack", "c", "a", [replica(1, 99), replica(3, 50)], 3],
    ["the one with most", "b", "a", [replica(1, 60), replica(2, 70)], 2],
    [
      "of equals the one caught up last",
      "b",
      "a",
      [replica(1, 60, { caughtUpAt: 5 }), replica(2, 60, { caughtUpAt: 4 })],
      1,
    ],
    ["not one that lacks the offset", "b", "a", [replica(1, 49)]],
    ["but one that ends at it", "b", "a", [replica(1, 50)], 1],
    ["not one whose log begins after it", "b", "a", [replica(1, 60, { logStartOffset: 51 })]],
    ["not one that cannot be gone to", "", undefined, [replica(4, 60)]],
    ["the leader when it is as near", "b", "b", [replica(1, 60)]],
    ["the leader for a consumer without rack", "", "a", [replica(1, 60)]],
  ];
  for (const [name, rack, leaderRack, followers, expected] of cases) {
    it(`is ${name}`, () => {
      assert.equal(
        preferredReadReplica(rack, 50, leaderRack, followers, (id) => racks.get(id)),
        expected,
      );
    });
  }
});
