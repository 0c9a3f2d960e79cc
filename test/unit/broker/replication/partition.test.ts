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
        onWaiting: () => undefined,
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

describe("replication: who waits for records to be committed", () => {
  it("is told of once, and times out on a look after the deadline", async () => {
    const volume = new LogVolume();
    const { scheduler } = volume;
    const log = await volume.openLog(await volume.open());
    let told = 0;
    const partition = new Partition(recordOf(3), log, 2, {
      self: SELF,
      scheduler,
      contact: new Contact(60_000, 0),
      brokerEpoch: () => 1,
      onProgress: () => undefined,
      onOutsider: () => undefined,
      onWaiting: () => {
        told++;
      },
    });
    partition.apply(recordOf(3), 1);
    assert.equal(partition.expire(scheduler.now()), false, "nobody waits");
    const late: string[] = [];
    for (const [name, timeout] of [
      ["a", 100],
      ["b", 200],
    ] as const) {
      partition.committed(5, timeout).catch((error: unknown) => {
        late.push(`${name}: ${String(error)}`);
      });
    }
    assert.equal(told, 1);
    await scheduler.advance(150);
    assert.deepEqual(late, [], "nothing happens without a look");
    assert.equal(partition.expire(scheduler.now()), true);
    await scheduler.advance(0);
    assert.equal(late.length, 1);
    assert.match(late.join(), /^a: .*REQUEST_TIMED_OUT/);
    await scheduler.advance(100);
    assert.equal(partition.expire(scheduler.now()), false, "nobody is left");
    partition.committed(5, 100).catch(() => undefined);
    assert.equal(told, 2);
  });
});
