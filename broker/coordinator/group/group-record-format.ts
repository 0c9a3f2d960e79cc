import { buildBatch, iterateBatches, readRecords } from "../../protocol/record-batch.ts";
import type { RecordFormat } from "../coordinator-shard.ts";
import type { Moment } from "../outcome.ts";
import type { GroupRecord } from "./group-metadata.ts";
import { decodeRecord, encodeKey, encodeValue } from "./group-records.ts";

/** Group records as uncompressed record batches, one for each event; the log gives offsets and leader epoch. */
export const groupRecordFormat: RecordFormat<GroupRecord> = { encode, decode };

function encode(records: readonly GroupRecord[], at: Moment): Uint8Array {
  const timestamp = Math.floor(at.wall);
  return buildBatch({
    records: records.map((record) => ({
      key: encodeKey(record),
      value: encodeValue(record),
      timestamp,
    })),
  });
}

/** Reads compressed batches too, which a log copied from Kafka may hold. Throws MalformedError. */
function* decode(
  bytes: Uint8Array,
): Generator<{ readonly records: readonly GroupRecord[]; readonly nextOffset: number }> {
  for (const batch of iterateBatches(bytes)) {
    const records: GroupRecord[] = [];
    // Transaction markers say nothing of groups.
    if (!batch.control) {
      for (const { key, value } of readRecords(bytes, batch)) {
        const record = key === null ? undefined : decodeRecord(key, value);
        if (record !== undefined) records.push(record);
      }
    }
    yield { records, nextOffset: batch.lastOffset + 1 };
  }
}
