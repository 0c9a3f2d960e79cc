import assert from "node:assert/strict";
import { handleListOffsets } from "../../../../broker/handlers/list-offsets.ts";
import { handleOffsetForLeaderEpoch } from "../../../../broker/handlers/offset-for-leader-epoch.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import {
  listOffsetsRequest,
  listOffsetsResponse,
} from "../../../../broker/protocol/messages/list-offsets.ts";
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "../../../../broker/protocol/messages/offset-for-leader-epoch.ts";
import { ask, type FakeHosted, HandlerWorld } from "./fakes.ts";

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;

/** Led in epoch 5 since offset 80, in epochs 2 and 3 before since 0 and 40; the log holds 0 to 99. */
function worldOf(highWatermark: number): { world: HandlerWorld; hosted: FakeHosted } {
  const world = new HandlerWorld();
  world.broker(0);
  world.topic("a", [{ placement: { replicas: [0, 1] }, state: { leader: 0, leaderEpoch: 5 } }]);
  const hosted = world.host("a", 0);
  hosted.fakeLog.epochs.clear();
  hosted.fakeLog.epochs.assign(2, 0);
  hosted.fakeLog.epochs.assign(3, 40);
  hosted.fakeLog.epochs.assign(5, 80);
  hosted.fakeLog.logEndOffset = 100;
  hosted.epochStartOffset = 80;
  hosted.highWatermark = highWatermark;
  return { world, hosted };
}

describe("list offsets", () => {
  const notAvailable = ErrorCode.OFFSET_NOT_AVAILABLE;
  /** High watermark, timestamp, version → offset or error. Records have their offsets as timestamps. */
  const cases: readonly [string, number, number, number, number | { readonly code: number }][] = [
    ["the end is the high watermark", 90, LATEST, 11, 90],
    ["and is told from the start of the epoch on", 80, LATEST, 11, 80],
    ["but not while a new leader's lags", 79, LATEST, 11, { code: notAvailable }],
    ["which older clients take for an election", 79, LATEST, 4, { code: 5 }],
    ["the beginning is always known", 10, EARLIEST, 11, 0],
    ["so is a time that was committed", 50, 49, 11, 49],
    ["but not one that may have been", 50, 50, 11, { code: notAvailable }],
    ["a time after the last is known to be none", 90, 100, 11, -1],
    ["unless the high watermark lags", 79, 100, 11, { code: notAvailable }],
    ["the newest record is told when it is committed", 100, MAX_TIMESTAMP, 11, 99],
    ["and refused while that is unknown", 79, MAX_TIMESTAMP, 11, { code: notAvailable }],
  ];
  for (const [name, highWatermark, timestamp, version, expected] of cases) {
    it(`${name} (high watermark ${highWatermark}, timestamp ${timestamp}, version ${version})`, async () => {
      const { world } = worldOf(highWatermark);
      const answer = await ask(
        world,
        handleListOffsets,
        listOffsetsRequest,
        listOffsetsResponse,
        version,
        { replicaId: -1, topics: [{ name: "a", partitions: [{ partitionIndex: 0, timestamp }] }] },
      );
      const partition = answer.topics[0]?.partitions[0];
      assert.ok(partition !== undefined);
      if (typeof expected === "object")
        assert.equal(errorName(partition.errorCode), errorName(expected.code));
      else assert.deepEqual([partition.errorCode, partition.offset], [ErrorCode.NONE, expected]);
    });
  }
});

describe("offset for leader epoch", () => {
  /** High watermark, epoch asked for → epoch and end offset, or error. */
  const cases: readonly [
    string,
    number,
    number,
    readonly [number, number] | { readonly code: number },
  ][] = [
    ["an earlier epoch ends where the next begins", 90, 3, [3, 80]],
    ["also while a new leader's high watermark lags", 50, 3, [3, 80]],
    ["one without records here ends with the one before", 50, 4, [3, 80]],
    ["the present one ends at the high watermark", 90, 5, [5, 90]],
    ["but not while that lags", 79, 5, { code: ErrorCode.OFFSET_NOT_AVAILABLE }],
    ["a later one is unknown", 90, 6, [-1, -1]],
  ];
  for (const [name, highWatermark, leaderEpoch, expected] of cases) {
    it(`${name} (high watermark ${highWatermark}, epoch ${leaderEpoch})`, async () => {
      const { world } = worldOf(highWatermark);
      const answer = await ask(
        world,
        handleOffsetForLeaderEpoch,
        offsetForLeaderEpochRequest,
        offsetForLeaderEpochResponse,
        4,
        { topics: [{ topic: "a", partitions: [{ partition: 0, leaderEpoch }] }] },
      );
      const partition = answer.topics[0]?.partitions[0];
      assert.ok(partition !== undefined);
      if ("code" in expected) assert.equal(partition.errorCode, expected.code);
      else
        assert.deepEqual(
          [partition.errorCode, partition.leaderEpoch, partition.endOffset],
          [ErrorCode.NONE, ...expected],
        );
    });
  }
});
