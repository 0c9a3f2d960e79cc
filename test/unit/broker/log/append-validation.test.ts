import assert from "node:assert/strict";
import { parseBatches, validateBatch } from "../../../../broker/log/append-validation.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogConfig } from "../../../../broker/log/types.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import { crc32c } from "../../../../lib/crc32c.ts";
import { batchOf, T0 } from "../../../support/batches.ts";

const CRC = 17;
const ATTRIBUTES = 21;

/** The batch with some bytes put in, and the checksum that goes with them. */
function changed(batch: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = Buffer.from(batch);
  copy.set(bytes, at);
  copy.writeUInt32BE(crc32c(copy, ATTRIBUTES, copy.length), CRC);
  return copy;
}

function refusalOf(
  records: Uint8Array,
  origin: "client" | "coordinator",
  config: Partial<LogConfig>,
): string {
  try {
    for (const batch of parseBatches(records, origin)) {
      validateBatch(records, batch, { ...DEFAULT_LOG_CONFIG, ...config }, T0, origin);
    }
    return "accepted";
  } catch (error) {
    assert(error instanceof ProtocolError);
    return errorName(error.errorCode);
  }
}

const CORRUPT = errorName(ErrorCode.CORRUPT_MESSAGE);
const INVALID = errorName(ErrorCode.INVALID_RECORD);
const TIMESTAMP = errorName(ErrorCode.INVALID_TIMESTAMP);
const TOO_LARGE = errorName(ErrorCode.MESSAGE_TOO_LARGE);
const CODEC = errorName(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE);

const plain = batchOf({ count: 2 });
const two = Buffer.concat([plain, plain]);
const control = batchOf({ control: true, producerId: 4, producerEpoch: 0 });
const early = batchOf({ timestamp: T0 - 1001 });
const late = batchOf({ timestamp: T0 + 1001 });
const window = { timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 1000 };
const appendTime = { ...window, timestampType: "LogAppendTime" as const };

describe("append validation", () => {
  const cases: [string, Uint8Array, "client" | "coordinator", Partial<LogConfig>, string][] = [
    ["a sound batch", plain, "client", {}, "accepted"],
    ["nothing", new Uint8Array(0), "client", {}, INVALID],
    ["two batches of a client", two, "client", {}, INVALID],
    ["two batches of a coordinator", two, "coordinator", {}, "accepted"],
    ["a batch cut short", plain.subarray(0, plain.length - 1), "client", {}, CORRUPT],
    ["less than a header", plain.subarray(0, 40), "client", {}, CORRUPT],
    ["bytes behind the batch", Buffer.concat([plain, Buffer.alloc(3)]), "client", {}, CORRUPT],
    ["a length below a header's", changed(plain, 8, 0, 0, 0, 10), "client", {}, CORRUPT],
    ["a negative length", changed(plain, 8, 0xff, 0xff, 0xff, 0xff), "client", {}, CORRUPT],
    ["an old message format", changed(plain, 16, 1), "client", {}, INVALID],
    ["another checksum", Buffer.from(plain).fill(0xaa, CRC, CRC + 4), "client", {}, CORRUPT],
    ["a codec nobody knows", changed(plain, ATTRIBUTES, 0, 5), "client", {}, CODEC],
    ["no record", changed(plain, 57, 0, 0, 0, 0), "client", {}, INVALID],
    ["fewer records than offsets", changed(plain, 57, 0, 0, 0, 1), "client", {}, INVALID],
    ["more records than offsets", changed(plain, 57, 0, 0, 0, 3), "client", {}, INVALID],
    ["as large as allowed", plain, "client", { maxMessageBytes: plain.length }, "accepted"],
    ["larger", plain, "client", { maxMessageBytes: plain.length - 1 }, TOO_LARGE],
    ["a control batch of a client", control, "client", {}, INVALID],
    ["a control batch of a coordinator", control, "coordinator", {}, "accepted"],
    [
      "a producer id without sequence",
      batchOf({ producerId: 4, producerEpoch: 0 }),
      "client",
      {},
      INVALID,
    ],
    [
      "a producer id without epoch",
      batchOf({ producerId: 4, baseSequence: 0 }),
      "client",
      {},
      INVALID,
    ],
    [
      "a producer with epoch and sequence",
      batchOf({ producerId: 4, producerEpoch: 0, baseSequence: 0 }),
      "client",
      {},
      "accepted",
    ],
    ["a record too old", early, "client", window, TIMESTAMP],
    ["a record too far ahead", late, "client", window, TIMESTAMP],
    ["a record on the edge", batchOf({ timestamp: T0 + 1000 }), "client", window, "accepted"],
    ["no timestamp", batchOf({ timestamp: -1 }), "client", window, "accepted"],
    ["a wrong time that is replaced", late, "client", appendTime, "accepted"],
    ["an old record of a coordinator", early, "coordinator", window, "accepted"],
  ];
  for (const [name, records, origin, config, expected] of cases) {
    it(`judges ${name}: ${expected}`, () => {
      assert.equal(refusalOf(records, origin, config), expected);
    });
  }
});
