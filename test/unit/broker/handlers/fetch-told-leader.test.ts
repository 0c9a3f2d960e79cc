import assert from "node:assert/strict";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { HandlerWorld } from "./fakes.ts";
import { fetch } from "./fetch-asked.ts";

describe("fetch tells the leader to one who asked another broker (KIP-951)", () => {
  const cases: readonly {
    readonly name: string;
    readonly version: number;
    readonly leaderEpoch?: number;
    readonly leader: number;
    readonly code: number;
    readonly told: readonly [number, number];
    readonly nodes: readonly number[];
  }[] = [
    {
      name: "from version 16 on",
      version: 16,
      leader: 1,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [1, 7],
      nodes: [1],
    },
    {
      name: "not before",
      version: 15,
      leader: 1,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [-1, -1],
      nodes: [],
    },
    {
      name: "when the client's leader epoch is old",
      version: 16,
      leaderEpoch: 6,
      leader: 0,
      code: ErrorCode.FENCED_LEADER_EPOCH,
      told: [0, 7],
      nodes: [0],
    },
    {
      name: "but not when the client knows more than this broker",
      version: 16,
      leaderEpoch: 8,
      leader: 0,
      code: ErrorCode.UNKNOWN_LEADER_EPOCH,
      told: [-1, -1],
      nodes: [],
    },
    {
      name: "and nobody when there is none",
      version: 17,
      leader: -1,
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      told: [-1, -1],
      nodes: [],
    },
  ];
  for (const { name, version, leaderEpoch, leader, code, told, nodes } of cases) {
    it(name, async () => {
      const world = new HandlerWorld();
      world.broker(0);
      world.broker(1, "b");
      world.topic("a", [{ placement: { replicas: [0, 1] }, state: { leader, leaderEpoch: 7 } }]);
      world.host("a", 0);
      const answer = await fetch(
        world,
        {
          partitions: [{ partition: 0 }],
          ...(leaderEpoch === undefined ? {} : { leaderEpoch }),
        },
        version,
      );
      const partition = answer.responses[0]?.partitions[0];
      assert.equal(partition?.errorCode, code);
      assert.deepEqual(
        [partition.currentLeader.leaderId, partition.currentLeader.leaderEpoch],
        told,
      );
      assert.deepEqual(
        answer.nodeEndpoints.map(({ nodeId }) => nodeId),
        nodes,
      );
      if (nodes[0] === 1)
        assert.deepEqual(answer.nodeEndpoints[0], {
          nodeId: 1,
          host: "broker-1",
          port: 9093,
          rack: "b",
        });
    });
  }
});
