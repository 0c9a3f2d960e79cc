import assert from "node:assert/strict";
import { handleDescribeLogDirs } from "../../../../broker/handlers/describe-log-dirs.ts";
import { handleDescribeProducers } from "../../../../broker/handlers/describe-producers.ts";
import { handleListConfigResources } from "../../../../broker/handlers/list-config-resources.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
} from "../../../../broker/protocol/messages/describe-log-dirs.ts";
import {
  describeProducersRequest,
  describeProducersResponse,
} from "../../../../broker/protocol/messages/describe-producers.ts";
import {
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from "../../../../broker/protocol/messages/list-config-resources.ts";
import { ask, HandlerWorld } from "./fakes.ts";

/** Topics a (two partitions here, one elsewhere) and b (one here). */
function worldOf(): HandlerWorld {
  const world = new HandlerWorld({ "log.dirs": "/data" });
  for (const id of [0, 1]) world.broker(id);
  world.topic("a", [{}, {}, { placement: { replicas: [1] } }]);
  world.topic("b", [{}], { topicId: "00000000-0000-4000-8000-000000000002" });
  for (const [topic, partition, bytes] of [
    ["a", 0, 10],
    ["a", 1, 20],
    ["b", 0, 30],
  ] as const) {
    world.host(topic, partition).fakeLog.sizeBytes = bytes;
  }
  world.extra = { volume: { usage: { freeBytes: 600, capacityBytes: 1000 } } };
  return world;
}

describe("log dirs", () => {
  const cases: readonly [
    string,
    { topic: string; partitions: number[] }[] | null,
    readonly (readonly [string, readonly (readonly [number, number])[]])[],
  ][] = [
    [
      "all logs",
      null,
      [
        [
          "a",
          [
            [0, 10],
            [1, 20],
          ],
        ],
        ["b", [[0, 30]]],
      ],
    ],
    ["those asked for", [{ topic: "a", partitions: [1, 2] }], [["a", [[1, 20]]]]],
    ["none when none is asked for", [], []],
  ];
  for (const [name, topics, expected] of cases) {
    it(`have ${name}, and what is left of the volume`, async () => {
      const answer = await ask(
        worldOf(),
        handleDescribeLogDirs,
        describeLogDirsRequest,
        describeLogDirsResponse,
        5,
        { topics },
      );
      const [dir, ...others] = answer.results;
      assert.ok(dir !== undefined && others.length === 0);
      assert.deepEqual([dir.logDir, dir.totalBytes, dir.usableBytes], ["/data", 1000, 600]);
      assert.deepEqual(
        dir.topics.map(({ name: topic, partitions }) => [
          topic,
          partitions.map(({ partitionIndex, partitionSize }) => [partitionIndex, partitionSize]),
        ]),
        expected,
      );
    });
  }
});

describe("producers", () => {
  it("are described for each partition that is here", async () => {
    const world = worldOf();
    const producer = {
      producerId: 4,
      producerEpoch: 1,
      lastSequence: 9,
      lastTimestamp: 1_700_000_000_000,
      coordinatorEpoch: -1,
      currentTxnStartOffset: -1,
    };
    for (const one of world.hosted.values()) one.fakeLog.producers = [producer];
    const answer = await ask(
      world,
      handleDescribeProducers,
      describeProducersRequest,
      describeProducersResponse,
      0,
      { topics: [{ name: "a", partitionIndexes: [0, 2, 3] }] },
    );
    assert.deepEqual(
      answer.topics[0]?.partitions.map(({ errorCode, activeProducers }) => [
        errorCode,
        activeProducers,
      ]),
      [
        [ErrorCode.NONE, [producer]],
        [ErrorCode.NOT_LEADER_OR_FOLLOWER, []],
        [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, []],
      ],
    );
  });
});

describe("config resources", () => {
  const topics = [
    ["a", 2],
    ["b", 2],
  ];
  const brokers = [
    ["0", 4],
    ["1", 4],
  ];
  const cases: readonly [string, number, number[], number, unknown[]][] = [
    ["all", 1, [], ErrorCode.NONE, [...topics, ...brokers]],
    ["topics", 1, [2], ErrorCode.NONE, topics],
    ["brokers once", 1, [4, 4, 8, 32], ErrorCode.NONE, brokers],
    ["client metrics, of which there are none", 0, [], ErrorCode.NONE, []],
    ["a type that does not exist", 1, [2, 3], ErrorCode.UNSUPPORTED_VERSION, []],
  ];
  for (const [name, version, resourceTypes, code, expected] of cases) {
    it(`are listed: ${name}`, async () => {
      const answer = await ask(
        worldOf(),
        handleListConfigResources,
        listConfigResourcesRequest,
        listConfigResourcesResponse,
        version,
        { resourceTypes },
      );
      assert.equal(answer.errorCode, code);
      assert.deepEqual(
        answer.configResources.map(({ resourceName, resourceType }) => [
          resourceName,
          resourceType,
        ]),
        expected,
      );
    });
  }
});
