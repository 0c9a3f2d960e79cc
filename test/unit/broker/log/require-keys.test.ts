import assert from "node:assert/strict";
import { requireKeys } from "../../../../broker/log/append-validation.ts";
import { InvalidRecordsError, ProtocolError } from "../../../../broker/errors.ts";
import { errorName } from "../../../../broker/protocol/error-codes.ts";
import { batchAt, buildBatch, type NewRecord } from "../../../../broker/protocol/record-batch.ts";
import { T0 } from "../../../support/batches.ts";

function judged(batch: Uint8Array): string {
  try {
    requireKeys(batch, batchAt(batch, 0));
    return "accepted";
  } catch (error) {
    assert(error instanceof ProtocolError);
    const places =
      error instanceof InvalidRecordsError
        ? ` ${error.recordErrors.map(({ batchIndex }) => batchIndex).join()}`
        : "";
    return errorName(error.errorCode) + places;
  }
}

function records(...keys: (string | null)[]): NewRecord[] {
  return keys.map((key) => ({
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from("v"),
    timestamp: T0,
  }));
}

/** With one byte of the first record changed. */
function damaged(at: number, by: number): Uint8Array {
  const batch = buildBatch({ records: records("a", "b") });
  batch[61 + at] = by;
  return batch;
}

describe("keys of a compacted topic", () => {
  const cases: [string, Uint8Array, string][] = [
    ["keys", buildBatch({ records: records("a", "b") }), "accepted"],
    ["an empty key", buildBatch({ records: records("") }), "accepted"],
    [
      "a tombstone",
      buildBatch({ records: [{ key: Buffer.from("a"), timestamp: T0 }] }),
      "accepted",
    ],
    ["no key", buildBatch({ records: records(null) }), "INVALID_RECORD 0"],
    ["some without", buildBatch({ records: records("a", null, "b", null) }), "INVALID_RECORD 1,3"],
    [
      "some without, compressed",
      buildBatch({ records: records("a", null), compression: 1 }),
      "INVALID_RECORD 1",
    ],
    [
      "more without than are told of",
      buildBatch({ records: records(...Array<null>(150).fill(null)) }),
      `INVALID_RECORD ${Array.from({ length: 100 }, (_, i) => i).join()}`,
    ],
    ["a record of another length", damaged(0, 2), "INVALID_RECORD"],
    ["an offset that is not the next", damaged(3, 2), "INVALID_RECORD"],
    ["a key beyond the end", damaged(4, 80), "INVALID_RECORD"],
    [
      "records that cannot be opened",
      Buffer.concat([buildBatch({ records: records("a"), compression: 1 }).subarray(0, 70)]),
      "INVALID_RECORD",
    ],
  ];
  for (const [name, batch, expected] of cases) {
    it(`judges ${name}: ${expected}`, () => {
      if (name.includes("opened")) new DataView(batch.buffer, batch.byteOffset).setInt32(8, 58);
      assert.equal(judged(batch), expected);
    });
  }
});
