import assert from "node:assert/strict";
import { partitionCount } from "../../../cluster/partition-count.ts";
import { MIB } from "../../../lib/units.ts";

describe("partition count from an expected peak", () => {
  const table = [
    {
      of: "bytes that fit one partition, spread over the brokers",
      peak: { bytesPerSecond: MIB },
      brokers: 3,
      present: 0,
      partitions: 3,
      reason: "1 MiB/s at 10 MiB/s a partition: 1; as many on each of 3 brokers: 3",
    },
    {
      of: "bytes for several partitions",
      peak: { bytesPerSecond: 95 * MIB },
      brokers: 3,
      present: 0,
      partitions: 12,
      reason: "95 MiB/s at 10 MiB/s a partition: 10; as many on each of 3 brokers: 12",
    },
    {
      of: "slow consumers, which decide",
      peak: { recordsPerSecond: 20_000, recordBytes: 1024, consumerRecordsPerSecond: 1000 },
      brokers: 4,
      present: 0,
      partitions: 20,
      reason:
        "20,000 records/s of 1,024 B = 19.5 MiB/s at 10 MiB/s a partition: 2; " +
        "20,000 records/s at 1,000 records/s a consumer: 20; as many on each of 4 brokers: 20",
    },
    {
      of: "a topic that has enough, on more brokers than it was made for",
      peak: { bytesPerSecond: 50 * MIB },
      brokers: 5,
      present: 6,
      partitions: 6,
      reason: "50 MiB/s at 10 MiB/s a partition: 5; it has 6, which is enough",
    },
    {
      of: "a peak that has grown",
      peak: { bytesPerSecond: 70 * MIB },
      brokers: 3,
      present: 6,
      partitions: 9,
      reason: "70 MiB/s at 10 MiB/s a partition: 7; as many on each of 3 brokers: 9",
    },
    {
      of: "more than a topic may have",
      peak: { bytesPerSecond: 1_000_000 * MIB },
      brokers: 3,
      present: 0,
      partitions: 10_000,
      reason:
        "1,000,000 MiB/s at 10 MiB/s a partition: 100,000; as many on each of 3 brokers: 100,002; at most 10,000",
    },
  ];
  for (const { of, peak, brokers, present, partitions, reason } of table) {
    it(`computes ${of}`, () => {
      assert.deepEqual(partitionCount(peak, brokers, present), { partitions, reason });
    });
  }
});
