import assert from "node:assert/strict";
import { ProtocolError } from "../../../../broker/errors.ts";
import { handleProduce } from "../../../../broker/handlers/produce.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import { produceRequest, produceResponse } from "../../../../broker/protocol/messages/produce.ts";
import { ask, HandlerWorld, TOPIC_ID } from "./fakes.ts";
import { shardOf, statesOf } from "../../../support/recorded-slices.ts";

/** Led by broker 1 in epoch 7; broker 0, which is asked, is its follower. */
function worldOf(leader = 1): HandlerWorld {
  const world = new HandlerWorld();
  world.broker(0);
  world.broker(1, "b");
  world.topic("a", [
    { placement: { replicas: [1, 0] }, state: { leader, leaderEpoch: 7 } },
    { placement: { replicas: [1] }, state: { leader: 1, leaderEpoch: 3 } },
  ]);
  world.host("a", 0);
  return world;
}

describe("produce tells the leader to one who asked another broker (KIP-951)", () => {
  const cases: readonly {
    readonly name: string;
    readonly version: number;
    readonly partition?: number;
    readonly leader?: number;
    readonly code: number;
    readonly told: readonly [number, number];
    readonly nodes: readonly number[];
  }[] = [
    {
      name: "from version 10 on",
      version: 10,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [1, 7],
      nodes: [1],
    },
    {
      name: "by topic id as well",
      version: 13,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [1, 7],
      nodes: [1],
    },
    {
      name: "not before",
      version: 9,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [-1, -1],
      nodes: [],
    },
    {
      name: "of a partition that it has no replica of",
      version: 10,
      partition: 1,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [1, 3],
      nodes: [1],
    },
    {
      name: "but nobody when there is none",
      version: 10,
      leader: -1,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [-1, -1],
      nodes: [],
    },
    {
      name: "but nobody for a partition that does not exist",
      version: 10,
      partition: 2,
      code: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      told: [-1, -1],
      nodes: [],
    },
  ];
  for (const { name, version, partition = 0, leader, code, told, nodes } of cases) {
    it(name, async () => {
      const answer = await ask(
        worldOf(leader),
        handleProduce,
        produceRequest,
        produceResponse,
        version,
        {
          acks: -1,
          timeoutMs: 1000,
          topicData: [
            {
              name: "a",
              topicId: TOPIC_ID,
              partitionData: [{ index: partition, records: new Uint8Array(61) }],
            },
          ],
        },
      );
      const result = answer.responses[0]?.partitionResponses[0];
      assert.equal(errorName(result?.errorCode ?? -1), errorName(code));
      const current = result?.currentLeader;
      assert.deepEqual([current?.leaderId, current?.leaderEpoch], told);
      assert.deepEqual(
        answer.nodeEndpoints.map(({ nodeId, rack }) => [nodeId, rack]),
        nodes.map((id) => [id, "b"]),
      );
    });
  }

  it("when leadership is lost while the append waits to be committed", async () => {
    const world = worldOf(0);
    const hosted = world.host("a", 0);
    hosted.committed = () => {
      const state = { leader: 1, leaderEpoch: 8, isr: [1], elr: [], partitionEpoch: 1 };
      world.image.absorbShard(shardOf("test", statesOf(TOPIC_ID, [state])));
      return Promise.reject(new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER));
    };
    const answer = await ask(world, handleProduce, produceRequest, produceResponse, 12, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: "a", partitionData: [{ index: 0, records: new Uint8Array(61) }] }],
    });
    const result = answer.responses[0]?.partitionResponses[0];
    assert.deepEqual(
      [result?.errorCode, result?.currentLeader.leaderId, result?.currentLeader.leaderEpoch],
      [ErrorCode.NOT_LEADER_OR_FOLLOWER, 1, 8],
    );
  });
});

describe("produce answers each partition in its place", () => {
  it("those that are refused, not committed, or named twice as well", async () => {
    const world = new HandlerWorld();
    world.broker(0);
    const led = { placement: { replicas: [0] }, state: { leader: 0, leaderEpoch: 1 } };
    world.topic("a", [led, led, led]);
    const hosted = [0, 1, 2].map((partition) => world.host("a", partition));
    for (const [at, one] of hosted.entries()) one.fakeLog.logEndOffset = 100 * at;
    const late = hosted[1];
    assert.ok(late !== undefined);
    late.committed = () => Promise.reject(new ProtocolError(ErrorCode.REQUEST_TIMED_OUT));
    const records = new Uint8Array(61);
    const answer = await ask(world, handleProduce, produceRequest, produceResponse, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name: "a", partitionData: [2, 1, 7, 2].map((index) => ({ index, records })) },
        { name: "a", partitionData: [{ index: 0, records }] },
      ],
    });
    assert.deepEqual(
      answer.responses.map(({ name, partitionResponses }) => [
        name,
        partitionResponses.map(({ index, errorCode, baseOffset }) => [
          index,
          errorName(errorCode),
          baseOffset,
        ]),
      ]),
      [
        [
          "a",
          [
            [2, "NONE", 200],
            [1, "REQUEST_TIMED_OUT", -1],
            [7, "UNKNOWN_TOPIC_OR_PARTITION", -1],
            [2, "NONE", 201],
          ],
        ],
        ["a", [[0, "NONE", 0]]],
      ],
    );
  });
});
