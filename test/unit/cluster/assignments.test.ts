import assert from "node:assert/strict";
import { chosenReplicas, reassignmentOf, replicaCount } from "../../../cluster/assignments.ts";
import type { PartitionPlacement } from "../../../cluster/partition-slice.ts";

describe("assignments", () => {
  const choices: readonly [string, readonly (readonly number[])[] | undefined, number[]?][] = [
    ["nobody where there are none", undefined],
    ["nobody beyond the list", [[0, 1]]],
    ["nobody where the list is empty", [[0], []]],
    ["what is chosen", [[0], [2, 1]], [2, 1]],
    ["nobody when a broker is to go", [[0], [1, 3]]],
    ["nobody when there is no such broker", [[0], [-1]]],
  ];
  for (const [name, assignments, chosen] of choices) {
    it(`choose ${name}`, () => {
      assert.deepEqual(chosenReplicas(assignments, 1, 3), chosen);
    });
  }

  const moving: PartitionPlacement = { replicas: [3, 1, 2], adding: [3], removing: [2] };
  const progress: readonly {
    readonly name: string;
    readonly placement: PartitionPlacement;
    readonly chosen?: readonly number[];
    readonly is?: readonly [number[], number[], number[]];
  }[] = [
    { name: "none at rest", placement: { replicas: [1, 2] } },
    { name: "none when only the order differs", placement: { replicas: [1, 2] }, chosen: [2, 1] },
    { name: "a move that has begun", placement: moving, is: [[3, 1, 2], [3], [2]] },
    {
      name: "one that has not begun",
      placement: { replicas: [1, 2] },
      chosen: [3, 1],
      is: [[3, 1, 2], [3], [2]],
    },
    {
      name: "one to fewer replicas",
      placement: { replicas: [1, 2, 3] },
      chosen: [3],
      is: [[3, 1, 2], [], [1, 2]],
    },
    {
      name: "one that goes elsewhere since",
      placement: moving,
      chosen: [1, 4],
      is: [[1, 4, 3, 2], [4], [3, 2]],
    },
    { name: "one that is taken back", placement: moving, chosen: [1, 2], is: [[1, 2, 3], [], [3]] },
  ];
  for (const { name, placement, chosen, is } of progress) {
    it(`know ${name}`, () => {
      const found = reassignmentOf(placement, chosen);
      assert.deepEqual(found && [found.replicas, found.adding, found.removing], is);
    });
  }

  const counts: readonly [string, PartitionPlacement, number][] = [
    ["at rest", { replicas: [0, 1, 2] }, 3],
    [
      "of a move to other brokers",
      { replicas: [3, 4, 5, 0, 1, 2], adding: [3, 4, 5], removing: [0, 1, 2] },
      3,
    ],
    ["from one to three", { replicas: [0, 1, 2], adding: [1, 2] }, 3],
    [
      "of a move that was changed under way",
      { replicas: [0, 1, 2], adding: [1, 2], removing: [0] },
      2,
    ],
    ["from three to one", { replicas: [0, 1, 2], removing: [1, 2] }, 1],
    ["of nothing", { replicas: [] }, 1],
  ];
  for (const [name, placement, count] of counts) {
    it(`count ${count} ${count === 1 ? "replica" : "replicas"} ${name}`, () => {
      assert.equal(replicaCount(placement), count);
    });
  }
});
