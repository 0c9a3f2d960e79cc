import assert from "node:assert/strict";
import type { FetchPartition } from "../../../../broker/fetch-session.ts";
import { fetchAnswer } from "../../../../broker/handlers/fetch-answer.ts";
import { ZERO_UUID } from "../../../../broker/protocol/schema.ts";
import { HandlerWorld } from "./fakes.ts";

const IDS = ["a", "b", "c"].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`);

function asked(topic: string, topicId: string, partition: number): FetchPartition {
  return {
    topic,
    topicId,
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
    maxBytes: 1024,
    acceptedIn: -1,
    told: undefined,
  };
}

/** Topics of the answer with their partitions. */
function answered(partitions: readonly FetchPartition[]): [string, number[]][] {
  const { responses = [] } = fetchAnswer(new HandlerWorld().context(), {
    committed: false,
    replicaId: -1,
    scope: {
      partitions,
      sessionId: 0,
      incremental: false,
      moves: undefined,
      at: () => undefined,
      served: () => undefined,
    },
    found: partitions.map((one) => ({ asked: one })),
    version: 17,
  });
  return responses.map(({ topic, topicId, partitions: of = [] }): [string, number[]] => [
    `${topic ?? ""} ${topicId ?? ""}`,
    of.map(({ partitionIndex }) => partitionIndex ?? -1),
  ]);
}

describe("the answer of a fetch", () => {
  it("has each topic once, whatever the order of its partitions, by id", () => {
    const order = [0, 1, 0, 2, 1, 0].map((topic, at) => asked("", IDS[topic] ?? "", at));
    assert.deepEqual(answered(order), [
      [` ${IDS[0] ?? ""}`, [0, 2, 5]],
      [` ${IDS[1] ?? ""}`, [1, 4]],
      [` ${IDS[2] ?? ""}`, [3]],
    ]);
  });

  it("has each topic once by name, where there are no ids", () => {
    const order = ["a", "b", "b", "a"].map((topic, at) => asked(topic, ZERO_UUID, at));
    assert.deepEqual(answered(order), [
      [`a ${ZERO_UUID}`, [0, 3]],
      [`b ${ZERO_UUID}`, [1, 2]],
    ]);
  });
});
