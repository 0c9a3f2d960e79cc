import assert from "node:assert/strict";
import type { PartitionImage } from "../../../broker/metadata/view.ts";
import { ErrorCode, errorName } from "../../../broker/protocol/error-codes.ts";
import {
  reassign,
  type ReassignmentWish,
  withNewAssignments,
  writeAssignments,
} from "../../../broker/reassignment.ts";
import type { PartitionPlacement } from "../../../cluster/partition-slice.ts";
import type { Topic } from "../../../cluster/topic.ts";

function image(partition: number, placement: PartitionPlacement): PartitionImage {
  return {
    partition,
    leader: placement.replicas[0] ?? -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    isr: placement.replicas,
    elr: [],
    adding: [],
    removing: [],
    ...placement,
  };
}

/** Partition 0 at rest on 0 and 1, 1 on its way from 1 and 2 to 3 and 1, 2 at rest on 2 and 0; four brokers. */
const partitions = [
  image(0, { replicas: [0, 1] }),
  image(1, { replicas: [3, 1, 2], adding: [3], removing: [2] }),
  image(2, { replicas: [2, 0] }),
];

describe("reassignment", () => {
  const cases: readonly {
    readonly name: string;
    readonly spec?: Partial<Topic["spec"]>;
    readonly wishes: readonly ReassignmentWish[];
    readonly mayChangeCount?: boolean;
    readonly becomes: readonly (readonly number[])[];
    readonly refused?: Readonly<Record<number, number>>;
  }[] = [
    {
      name: "makes a wish the choice, and leaves the others to the operator",
      wishes: [{ partition: 2, replicas: [1, 3] }],
      becomes: [[], [], [1, 3]],
    },
    {
      name: "keeps the choices of others",
      spec: {
        assignments: [
          [0, 1],
          [3, 1],
        ],
      },
      wishes: [{ partition: 0, replicas: [2, 3] }],
      becomes: [
        [2, 3],
        [3, 1],
      ],
    },
    {
      name: "takes a move back to where it came from",
      spec: { assignments: [[], [3, 1]] },
      wishes: [{ partition: 1, replicas: null }],
      becomes: [[], [1, 2]],
    },
    {
      name: "takes back one that has not begun",
      spec: { assignments: [[2, 3]] },
      wishes: [{ partition: 0, replicas: null }],
      becomes: [[0, 1]],
    },
    {
      name: "takes nothing back where nothing moves",
      wishes: [{ partition: 0, replicas: null }],
      becomes: [],
      refused: { 0: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS },
    },
    {
      name: "grants what it can of several wishes",
      wishes: [
        { partition: 0, replicas: [1, 2] },
        { partition: 1, replicas: [] },
        { partition: 2, replicas: [1, 1] },
        { partition: 3, replicas: [0] },
      ],
      becomes: [[1, 2]],
      refused: {
        1: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        2: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        3: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      },
    },
    {
      name: "refuses brokers that the cluster is not to have",
      wishes: [
        { partition: 0, replicas: [0, 4] },
        { partition: 2, replicas: [-1, 0] },
      ],
      becomes: [],
      refused: {
        0: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        2: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      },
    },
    {
      name: "refuses a partition named twice",
      wishes: [
        { partition: 0, replicas: [2, 3] },
        { partition: 0, replicas: null },
      ],
      becomes: [],
      refused: { 0: ErrorCode.INVALID_REQUEST },
    },
    {
      name: "refuses another number of replicas where that is not wanted (KIP-860)",
      wishes: [
        { partition: 0, replicas: [0] },
        { partition: 1, replicas: [3, 0] },
      ],
      mayChangeCount: false,
      becomes: [[], [3, 0]],
      refused: { 0: ErrorCode.INVALID_REPLICATION_FACTOR },
    },
    {
      name: "refuses fewer replicas than must be in sync",
      spec: { minInSyncReplicas: 2 },
      wishes: [{ partition: 0, replicas: [0] }],
      becomes: [],
      refused: { 0: ErrorCode.INVALID_REPLICATION_FACTOR },
    },
  ];
  for (const { name, spec, wishes, mayChangeCount = true, becomes, refused = {} } of cases) {
    it(name, () => {
      const world = { partitions, brokers: 4, mayChangeCount };
      const result = reassign({ cluster: "c", ...spec }, wishes, world);
      assert.deepEqual(result.assignments, becomes);
      assert.deepEqual(
        [...result.refused].map(([partition, { errorCode }]) => [partition, errorName(errorCode)]),
        Object.entries(refused).map(([partition, code]) => [Number(partition), errorName(code)]),
      );
    });
  }

  const writes: readonly [string, Partial<Topic["spec"]>, readonly number[][], string[]][] = [
    ["nothing that is there", { assignments: [[0], [1]] }, [[0], [1]], []],
    ["nothing where there is nothing", {}, [], []],
    ["another choice", { replicas: 2 }, [[], [1, 0]], ["/spec/assignments"]],
    [
      "another number of replicas of all partitions as the topic's",
      { replicas: 2 },
      [[0], [1]],
      ["/spec/assignments", "/spec/replicas"],
    ],
    ["but not of some", { replicas: 2 }, [[0]], ["/spec/assignments"]],
    ["nor of each another", { replicas: 2 }, [[0], [1, 0, 2]], ["/spec/assignments"]],
  ];
  for (const [name, spec, assignments, paths] of writes) {
    it(`writes ${name}`, () => {
      const operations = writeAssignments({ cluster: "c", ...spec }, assignments, 2);
      assert.deepEqual(
        operations.map(({ path }) => path),
        paths,
      );
    });
  }

  it("puts the choices for new partitions behind those there are", () => {
    assert.deepEqual(withNewAssignments(undefined, 2, [[1]]), [[], [], [1]]);
    assert.deepEqual(withNewAssignments([[0]], 2, [[1]]), [[0], [], [1]]);
  });
});
