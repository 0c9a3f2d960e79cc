import assert from "node:assert/strict";
import type { ElectionRequests } from "../../../../broker/controller/election-requests.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { handleAlterPartitionReassignments } from "../../../../broker/handlers/alter-partition-reassignments.ts";
import { handleElectLeaders } from "../../../../broker/handlers/elect-leaders.ts";
import { handleListPartitionReassignments } from "../../../../broker/handlers/list-partition-reassignments.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../../../../broker/protocol/messages/alter-partition-reassignments.ts";
import {
  electLeadersRequest,
  type ElectLeadersResponse,
  electLeadersResponse,
} from "../../../../broker/protocol/messages/elect-leaders.ts";
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "../../../../broker/protocol/messages/list-partition-reassignments.ts";
import type { TopicAdmin } from "../../../../broker/topic-admin.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import { ask, HandlerWorld, refusedWith } from "./fakes.ts";

/** Topics a (three partitions: at rest, on the move, chosen elsewhere) and b (at rest). */
function worldOf(): HandlerWorld {
  const world = new HandlerWorld();
  world.image.absorbCluster({
    apiVersion: API_VERSION,
    kind: "BrokerCluster",
    metadata: { name: "test", uid: "00000000-0000-4000-8000-000000000001" },
    spec: { brokers: 3 },
  });
  for (const id of [0, 1, 2]) world.broker(id);
  world.topic(
    "a",
    [
      { placement: { replicas: [0, 1] } },
      { placement: { replicas: [2, 1, 0], adding: [2], removing: [0] } },
      { placement: { replicas: [0, 1] } },
    ],
    { spec: { assignments: [[], [], [2, 1]] } },
  );
  world.topic("b", [{ placement: { replicas: [0] } }], {
    topicId: "00000000-0000-4000-8000-000000000002",
    // Broker 5 is not one of the cluster's: the choice does not count.
    spec: { assignments: [[5]] },
  });
  return world;
}

describe("list partition reassignments", () => {
  const all = [
    ["a", 1, [2, 1, 0], [2], [0]],
    ["a", 2, [2, 1, 0], [2], [0]],
  ];
  const cases: readonly [
    string,
    { name: string; partitionIndexes: number[] }[] | null,
    unknown[],
  ][] = [
    ["all that move, and those that wait for it", null, all],
    ["those asked for", [{ name: "a", partitionIndexes: [0, 2, 7] }], all.slice(1)],
    ["none of what is not there", [{ name: "c", partitionIndexes: [0] }], []],
  ];
  for (const [name, topics, expected] of cases) {
    it(`names ${name}`, async () => {
      const answer = await ask(
        worldOf(),
        handleListPartitionReassignments,
        listPartitionReassignmentsRequest,
        listPartitionReassignmentsResponse,
        0,
        { topics },
      );
      const found = answer.topics.flatMap(({ name: topic, partitions }) =>
        partitions.map((one) => [
          topic,
          one.partitionIndex,
          one.replicas,
          one.addingReplicas,
          one.removingReplicas,
        ]),
      );
      assert.deepEqual(found, expected);
    });
  }
});

describe("alter partition reassignments", () => {
  it("answers each partition by itself", async () => {
    const world = worldOf();
    const asked: unknown[] = [];
    world.extra = {
      topicAdmin: {
        reassign: (name: string, wishes: unknown, mayChangeCount: boolean) => {
          asked.push([name, wishes, mayChangeCount]);
          return name === "c"
            ? Promise.reject(new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            : Promise.resolve(
                new Map([[1, new ProtocolError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "no")]]),
              );
        },
      } as unknown as TopicAdmin,
    };
    const partitions = [
      { partitionIndex: 0, replicas: [1] },
      { partitionIndex: 1, replicas: null },
    ];
    const answer = await ask(
      world,
      handleAlterPartitionReassignments,
      alterPartitionReassignmentsRequest,
      alterPartitionReassignmentsResponse,
      1,
      {
        allowReplicationFactorChange: false,
        topics: ["a", "c", "d", "d"].map((name) => ({ name, partitions })),
      },
    );
    assert.deepEqual(asked, [
      [
        "a",
        partitions.map(({ partitionIndex, replicas }) => ({ partition: partitionIndex, replicas })),
        false,
      ],
      [
        "c",
        partitions.map(({ partitionIndex, replicas }) => ({ partition: partitionIndex, replicas })),
        false,
      ],
    ]);
    const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, INVALID_REQUEST } = ErrorCode;
    assert.deepEqual(
      answer.responses.map(({ name, partitions: found }) => [
        name,
        found.map(({ errorCode }) => errorCode),
      ]),
      [
        ["a", [0, INVALID_REPLICA_ASSIGNMENT]],
        ["c", [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION]],
        ["d", [INVALID_REQUEST, INVALID_REQUEST]],
        ["d", [INVALID_REQUEST, INVALID_REQUEST]],
      ],
    );
  });
});

describe("elect leaders", () => {
  const elect = (
    world: HandlerWorld,
    version: number,
    asked: Parameters<typeof electLeadersRequest.encode>[0],
  ): Promise<ElectLeadersResponse> =>
    ask(world, handleElectLeaders, electLeadersRequest, electLeadersResponse, version, asked);

  function elections(world: HandlerWorld): string[] {
    const asked: string[] = [];
    world.extra = {
      elections: {
        elect: (topic: string, partition: number, type: number) => {
          asked.push(`${topic}-${partition} ${type}`);
          return Promise.resolve(partition === 1 ? ErrorCode.ELECTION_NOT_NEEDED : ErrorCode.NONE);
        },
      } as unknown as ElectionRequests,
    };
    return asked;
  }

  it("answers all that were named", async () => {
    const world = worldOf();
    const asked = elections(world);
    const topicPartitions = [{ topic: "a", partitions: [0, 1, 1] }];
    const answer = await elect(world, 2, { electionType: 1, topicPartitions, timeoutMs: 100 });
    assert.deepEqual(asked, ["a-0 1", "a-1 1"]);
    assert.deepEqual(
      answer.replicaElectionResults[0]?.partitionResult.map(({ partitionId, errorCode }) => [
        partitionId,
        errorCode,
      ]),
      [
        [0, ErrorCode.NONE],
        [1, ErrorCode.ELECTION_NOT_NEEDED],
      ],
    );
  });

  it("answers of all partitions those that needed it", async () => {
    const world = worldOf();
    const asked = elections(world);
    const answer = await elect(world, 0, { topicPartitions: null, timeoutMs: 100 });
    assert.equal(asked.length, 4);
    assert.deepEqual(
      answer.replicaElectionResults.map(({ topic, partitionResult }) => [
        topic,
        partitionResult.map(({ partitionId }) => partitionId),
      ]),
      [
        ["a", [0, 2]],
        ["b", [0]],
      ],
    );
  });

  it("refuses a kind of election that does not exist", async () => {
    const world = worldOf();
    elections(world);
    const request = elect(world, 2, {
      electionType: 2,
      topicPartitions: [],
    });
    const error: unknown = await request.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    refusedWith(ErrorCode.INVALID_REQUEST, () => {
      throw error;
    });
  });
});
