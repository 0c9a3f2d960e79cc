import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { PartitionLog } from "../../../../broker/log/types.ts";
import type { RecordedPartition } from "../../../../broker/metadata/partition-records.ts";
import { Contact } from "../../../../broker/replication/contact.ts";
import { Partition } from "../../../../broker/replication/partition.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const SELF = 1;
const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };

function recordOf(leaderEpoch: number): RecordedPartition {
  return {
    ...identity,
    key: `${identity.topicId}.0`,
    slice: "t-000",
    shard: "c-leaders-0000",
    placement: { replicas: [SELF, 2] },
    state: { leader: SELF, leaderEpoch, isr: [SELF, 2], elr: [], partitionEpoch: leaderEpoch },
  };
}

describe("replication: a partition that is closed and opened by the same process", () => {
  it("leads in no epoch that has begun in its log, and in the next", async () => {
    const scheduler = new VirtualScheduler();
    const manager = await scheduler.until(
      openLogManager({
        storage: new MemoryStorage().mount(),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
      }),
    );
    const log: PartitionLog = await scheduler.until(manager.open(identity, DEFAULT_LOG_CONFIG));
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
