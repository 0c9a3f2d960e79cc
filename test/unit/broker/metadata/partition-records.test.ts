import assert from "node:assert/strict";
import { PartitionRecords } from "../../../../broker/metadata/partition-records.ts";
import { type PartitionStates, recordKey } from "../../../../cluster/leadership-shard.ts";
import { shardName } from "../../../../cluster/names.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import { shardOf } from "../../../support/recorded-slices.ts";

const SHARD = shardName("c", 0);

function slice(
  topicId: string,
  replicas: readonly (readonly number[])[],
  { generation = 1, version = "1", name = `${topicId}-000` } = {},
): PartitionSlice {
  return {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: { name, generation, resourceVersion: version },
    spec: {
      cluster: "c",
      topic: topicId,
      topicId,
      shard: SHARD,
      firstPartition: 0,
      partitions: replicas.map((each) => ({ replicas: each })),
    },
  };
}

/** States of partition 0 by topic id, as a copy of the shard with this version has them. */
function shard(version: string, states: Readonly<Record<string, string>>) {
  const named = Object.entries(states).map(([topicId, text]) => [recordKey(topicId, 0), text]);
  return shardOf("c", Object.fromEntries(named) as PartitionStates, version);
}

describe("placements and states of partitions", () => {
  let records: PartitionRecords;
  beforeEach(() => {
    records = new PartitionRecords();
  });
  const epochOf = (topicId: string): number | undefined =>
    records.get(topicId, 0)?.state?.partitionEpoch;

  it("are joined in whatever order they arrive, and told of when something is new", () => {
    assert.deepEqual(records.absorbShard(shard("5", { a: "0/0 isr 0 #0" })).changed, []);
    const { changed, topicIds } = records.absorbSlice(slice("a", [[0], [1]]));
    assert.deepEqual([...topicIds], ["a"]);
    assert.deepEqual(
      changed.map(({ partition, state }) => [partition, state?.leader]),
      [
        [0, 0],
        [1, undefined],
      ],
    );
    assert.deepEqual(records.absorbSlice(slice("a", [[0], [1]])).changed, []);
    const next = records.absorbShard(shard("6", { a: "1/1 isr 1 #1" }));
    assert.deepEqual([...next.topicIds], ["a"]);
    assert.equal(next.changed.length, 1);
    assert.equal(records.get("a", 0)?.state?.leader, 1);
  });

  it("are not taken back by older copies", () => {
    records.absorbSlice(slice("a", [[0, 1]], { generation: 2, version: "9" }));
    records.absorbShard(shard("8", { a: "1/3 isr 1 #7" }));
    records.absorbSlice(slice("a", [[0, 2]], { generation: 1, version: "4" }));
    records.absorbShard(shard("5", { a: "0/2 isr 0,1 #6" }));
    assert.deepEqual(records.get("a", 0)?.placement.replicas, [0, 1]);
    assert.equal(epochOf("a"), 7);
    // A copy of before the record was added does not say that it is gone.
    records.absorbShard(shard("2", {}));
    const record = records.get("a", 0);
    assert.ok(record !== undefined && records.isInShard(record));
  });

  it("are not of a deleted topic whose slice is heard of late", () => {
    records.absorbSlice(slice("new", [[0]], { name: "t-000", version: "20" }));
    assert.deepEqual(
      records.absorbSlice(slice("old", [[0]], { name: "t-000", version: "10" })).changed,
      [],
    );
    assert.equal(records.get("old", 0), undefined);
    assert.ok(records.get("new", 0) !== undefined);
  });

  it("of a topic that was made anew replace those of the one before", () => {
    records.absorbShard(shard("1", { old: "0/9 isr 0 #30" }));
    records.absorbSlice(slice("old", [[0]], { name: "t-000", version: "2" }));
    const { removed, changed } = records.absorbSlice(
      slice("new", [[0]], { name: "t-000", version: "3" }),
    );
    assert.deepEqual(
      removed.map(({ topicId }) => topicId),
      ["old"],
    );
    assert.deepEqual(
      changed.map(({ topicId, state }) => [topicId, state]),
      [["new", undefined]],
    );
  });

  it("stay known while the shard is gone, and when its slice is", () => {
    records.absorbSlice(slice("a", [[0]]));
    records.absorbShard(shard("3", { a: "0/4 isr 0 #5" }));
    records.removeShard(SHARD);
    assert.equal(epochOf("a"), 5);
    const again = records.absorbShard(shard("7", {}));
    assert.equal(again.changed.length, 1, "it can be put back");
    const record = records.get("a", 0);
    assert.ok(record !== undefined && !records.isInShard(record));
    assert.equal(record.state?.partitionEpoch, 5);
    records.absorbShard(shard("8", { a: "0/4 isr 0 #5" }));
    records.removeSlice("a-000", "a");
    assert.equal(records.get("a", 0), undefined);
    assert.deepEqual(
      records.unplaced().map(({ key, slice: name, placement }) => [key, name, placement]),
      [["a.0", undefined, { replicas: [] }]],
    );
    assert.equal(records.recorded("a", 0)?.state?.partitionEpoch, 5);
    records.absorbSlice(slice("a", [[0]], { version: "30" }));
    assert.equal(epochOf("a"), 5, "whoever deletes a slice does not take its partitions back");
    assert.deepEqual(records.unplaced(), []);
  });

  it("are forgotten when slice and record are gone, in whatever order", () => {
    records.absorbSlice(slice("a", [[0]]));
    records.absorbSlice(slice("b", [[0]]));
    records.absorbShard(shard("3", { a: "0/0 isr 0 #0", b: "0/0 isr 0 #0" }));
    records.removeSlice("a-000", "a");
    records.absorbShard(shard("4", { b: "0/0 isr 0 #0" }));
    records.absorbShard(shard("5", {}));
    records.removeSlice("b-000", "b");
    assert.deepEqual(records.unplaced(), []);
    assert.equal(records.recorded("a", 0), undefined);
    assert.equal(records.recorded("b", 0), undefined);
  });
});
