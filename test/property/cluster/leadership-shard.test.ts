import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseState,
  recordedStates,
  recordKey,
  stateText,
  topicIdOf,
} from "../../../cluster/leadership-shard.ts";
import { shardName } from "../../../cluster/names.ts";
import {
  NO_LEADER,
  type PartitionSlice,
  type PartitionState,
} from "../../../cluster/partition-slice.ts";
import { API_VERSION } from "../../../cluster/resources.ts";
import { shardOf } from "../../support/recorded-slices.ts";

const id = fc.nat({ max: 2 ** 31 - 1 });
const ids = fc.uniqueArray(id, { maxLength: 8 });
const epoch = fc.nat({ max: 2 ** 31 - 1 });
const state: fc.Arbitrary<PartitionState> = fc.record({
  leader: fc.oneof(id, fc.constant(NO_LEADER)),
  leaderEpoch: epoch,
  isr: ids,
  elr: ids,
  partitionEpoch: epoch,
});

describe("the record of a partition", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(state, (one) => {
        assert.deepEqual(parseState(stateText(one)), { ...one });
      }),
    );
  });

  it("is another text for another state, since a compare-and-swap compares texts", () => {
    fc.assert(
      fc.property(state, state, (one, other) => {
        if (JSON.stringify(one) !== JSON.stringify(other)) {
          assert.notEqual(stateText(one), stateText(other));
        }
      }),
    );
  });

  it("reads as a person would say it", () => {
    const whole = { leader: 2, leaderEpoch: 7, isr: [0, 1, 2], elr: [], partitionEpoch: 9 };
    assert.equal(stateText(whole), "2/7 isr 0,1,2 #9");
    assert.equal(stateText({ ...whole, isr: [2], elr: [0] }), "2/7 isr 2 elr 0 #9");
    assert.equal(stateText({ ...whole, leader: NO_LEADER, isr: [] }), "none/7 isr none #9");
  });

  it("is nothing else", () => {
    for (const text of [
      "",
      "2/7",
      "2/7 isr #9",
      "2/7 isr 1, 2 #9",
      "-1/7 isr 1 #9",
      "2/7 isr 1 #9 ",
    ])
      assert.throws(() => parseState(text), /no record of a partition/);
  });

  it("is found in the shard that the slice names, and in no other", () => {
    const topicId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    const key = recordKey(topicId, 112);
    assert.equal(topicIdOf(key), topicId);
    const slice: PartitionSlice = {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: { name: "t-001" },
      spec: {
        cluster: "b",
        topic: "t",
        topicId,
        shard: shardName("b", 0),
        firstPartition: 100,
        partitions: Array.from({ length: 20 }, () => ({ replicas: [2] })),
      },
    };
    const former = shardOf("a", { [key]: "1/9 isr 1 #90" });
    const own = shardOf("b", { [key]: "2/0 isr 2 #0" });
    for (const shards of [
      [former, own],
      [own, former],
    ]) {
      assert.equal(recordedStates(shards).of(slice, 12)?.leader, 2);
      assert.equal(recordedStates(shards).of(slice, 11), undefined);
    }
    assert.equal(recordedStates([former]).of(slice, 12), undefined);
  });
});
