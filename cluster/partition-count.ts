import { MIB } from "../lib/units.ts";
import type { ExpectedPeak } from "./topic.ts";

/**
 * What one partition is laid out for. A partition can take several times as much; the rest is room for a peak beyond
 * the expected one, for catching up, and for the followers of other partitions on the same broker.
 */
export const PARTITION_BYTES_PER_SECOND = 10 * MIB;
/** Most partitions a topic may have. */
export const MAX_PARTITIONS = 10_000;

export interface PartitionCount {
  readonly partitions: number;
  /** The sum in words, for the Topic's status. */
  readonly reason: string;
}

/**
 * Expected peak → number of partitions (pure): enough for the bytes, enough consumers for the records, and as many on
 * each broker. Never fewer than there are; a topic that has enough stays as it is, whatever the number of brokers.
 * @param present partitions that exist, 0 for a new topic
 */
export function partitionCount(
  peak: ExpectedPeak,
  brokers: number,
  present: number,
): PartitionCount {
  const terms: string[] = [];
  let needed = 1;
  const { recordsPerSecond, recordBytes, consumerRecordsPerSecond } = peak;
  const bytesPerSecond =
    peak.bytesPerSecond ??
    (recordsPerSecond !== undefined && recordBytes !== undefined
      ? recordsPerSecond * recordBytes
      : undefined);
  if (bytesPerSecond !== undefined) {
    const count = Math.ceil(bytesPerSecond / PARTITION_BYTES_PER_SECOND);
    const of =
      peak.bytesPerSecond === undefined
        ? `${number(recordsPerSecond ?? 0)} records/s of ${number(recordBytes ?? 0)} B = `
        : "";
    terms.push(
      `${of}${mib(bytesPerSecond)} MiB/s at ${mib(PARTITION_BYTES_PER_SECOND)} MiB/s a partition: ${number(count)}`,
    );
    needed = Math.max(needed, count);
  }
  if (recordsPerSecond !== undefined && consumerRecordsPerSecond !== undefined) {
    const count = Math.ceil(recordsPerSecond / consumerRecordsPerSecond);
    terms.push(
      `${number(recordsPerSecond)} records/s at ${number(consumerRecordsPerSecond)} records/s a consumer: ${number(count)}`,
    );
    needed = Math.max(needed, count);
  }
  if (present >= needed) {
    if (present > 0) terms.push(`it has ${number(present)}, which is enough`);
    return { partitions: Math.max(present, 1), reason: terms.join("; ") };
  }
  const even = Math.ceil(needed / brokers) * brokers;
  terms.push(`as many on each of ${number(brokers)} brokers: ${number(even)}`);
  if (even > MAX_PARTITIONS) terms.push(`at most ${number(MAX_PARTITIONS)}`);
  return { partitions: Math.min(even, MAX_PARTITIONS), reason: terms.join("; ") };
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function mib(bytes: number): string {
  return number(Math.round((bytes / MIB) * 10) / 10);
}
