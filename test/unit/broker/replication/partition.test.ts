import assert from "node:assert/strict";
import type { RecordedPartition } from "../../../../broker/metadata/partition-records.ts";
import { Contact } from "../../../../broker/replication/contact.ts";
import { Partition } from "../../../../broker/replication/partition.ts";
import { LOG, LogVolume } from "../../../support/log-volume.ts";

const SELF = 1;

function recordOf(leaderEpoch: number): RecordedPartition {
  return {
    ...LOG,
    key: `${LOG.topicId}.0`,
    slice: "t-000",
    shard: "c-leaders-0000",
    placement: { replicas: [SELF, 2] },
    state: { leader: SELF, leaderEpoch, isr: [SELF, 2], elr: [], partitionEpoch: leaderEpoch },
  };
}

describe("replication: a partition that is closed and opened by the same process", () => {
  it("leads in no epoch that has begun in its log, and in the next", async () => {
    const volume = new LogVolume();
    const { scheduler } = volume;
    const log = await volume.openLog(await volume.open());
    const open = (): Partition =>
      new Partition(recordOf(3), log, 2, {
        self: SELF,
        scheduler,
        contact: new Contact(2000, 0),
        brokerEpoch: () => 1,
        onProgress: () => undefined,
        onOutsider: () => undefined,
      });
    const first = open();
    assert.equal(first.apply(recordOf(3), 1), "became-leader");
    first.close();
    const second = open();
    assert.equal(second.apply(recordOf(3), 1), "same");
    assert.equal(second.isLeader, false);
    assert.equal(second.apply(recordOf(4), 1), "became-leader");
  });
});
