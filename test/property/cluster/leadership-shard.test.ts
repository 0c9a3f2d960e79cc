import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseState,
  recordedStates,
  recordKey,
  stateText,
  topicIdOf,
} from "../../../cluster/leadership-shard.ts";
import { NO_LEADER, type PartitionState } from "../../../cluster/partition-slice.ts";
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

  it("is found by topic id and partition, in whatever shard it is", () => {
    const topicId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    assert.equal(topicIdOf(recordKey(topicId, 12)), topicId);
    const states = recordedStates([
      shardOf("a", { [recordKey(topicId, 1)]: "1/0 isr 1 #0" }),
      shardOf("b", { [recordKey(topicId, 12)]: "2/0 isr 2 #0" }),
    ]);
    assert.equal(states.get(topicId, 12)?.leader, 2);
    assert.equal(states.get(topicId, 2), undefined);
  });
});
