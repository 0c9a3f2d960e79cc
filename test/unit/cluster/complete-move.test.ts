import assert from "node:assert/strict";
import { completeMove } from "../../../cluster/partition-change.ts";

/** A move from 0,2 to 1,2 with a minimum of two in sync: what is in sync, and what is left of it. */
const CASES: readonly (readonly [isr: readonly number[], left: readonly number[] | undefined])[] = [
  [[0, 2], undefined],
  // Replica 2 is away: 0 stays until it is back, or a lost volume of 1 would take all that was acknowledged.
  [[0, 1], undefined],
  [
    [0, 1, 2],
    [1, 2],
  ],
  [[1], undefined],
];

describe("a move is completed", () => {
  for (const [isr, left] of CASES) {
    it(`${left === undefined ? "not yet" : `to ${left.join()}`} with ${isr.join()} in sync`, () => {
      const next = completeMove(
        { leader: isr[0] ?? -1, leaderEpoch: 1, isr, elr: [], partitionEpoch: 5 },
        { replicas: [1, 2, 0], adding: [1], removing: [0] },
        { eligible: () => true, alive: () => true, minInSyncReplicas: 2, unclean: false },
      );
      assert.deepEqual(next?.isr, left);
    });
  }
});
