import type { EpochMillis } from "../../lib/units.ts";
import { type BatchHeader, readRecords } from "../protocol/record-batch.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Offset } from "./types.ts";

/** A record found by its time. */
export interface TimestampedOffset {
  readonly offset: Offset;
  readonly timestamp: EpochMillis;
  readonly leaderEpoch: number;
}

/** The first record at or above `logStartOffset` whose timestamp is at or after `timestamp` (ListOffsets). */
export function firstAtOrAfter(
  segments: SegmentList,
  logStartOffset: Offset,
  timestamp: EpochMillis,
): Promise<TimestampedOffset | undefined> {
  return segments.find(
    logStartOffset,
    ({ maxTimestamp }) => maxTimestamp >= timestamp,
    (bytes, batch) =>
      recordIn(bytes, batch, (one) => one.offset >= logStartOffset && one.timestamp >= timestamp),
  );
}

/** The first record with the largest timestamp (ListOffsets -3, KIP-734). */
export async function ofMaxTimestamp(
  segments: SegmentList,
  logStartOffset: Offset,
): Promise<TimestampedOffset | undefined> {
  const largest = segments.maxTimestamp;
  if (largest < 0) return undefined;
  return segments.find(
    logStartOffset,
    ({ maxTimestamp }) => maxTimestamp === largest,
    (bytes, batch) =>
      recordIn(bytes, batch, (one) => one.offset >= logStartOffset && one.timestamp === largest),
  );
}

function recordIn(
  bytes: Uint8Array,
  batch: BatchHeader,
  wanted: (record: { readonly offset: Offset; readonly timestamp: EpochMillis }) => boolean,
): TimestampedOffset | undefined {
  const found = readRecords(bytes, batch).find(wanted);
  if (found === undefined) return undefined;
  const { offset, timestamp } = found;
  return { offset, timestamp, leaderEpoch: batch.partitionLeaderEpoch };
}
