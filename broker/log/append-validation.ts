import type { EpochMillis } from "../../lib/units.ts";
import { InvalidRecordsError, ProtocolError, type RecordError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { MalformedError } from "../protocol/reader.ts";
import {
  batchAt,
  type BatchHeader,
  crcMatches,
  MAGIC,
  openBatch,
} from "../protocol/record-batch.ts";
import { RecordCursor } from "../protocol/record-cursor.ts";
import type { LogConfig } from "./types.ts";

const MAX_CODEC = 4;
/** Records of one batch that are told of; the batch is refused whole anyway. */
const MAX_RECORD_ERRORS = 100;

/** The one batch of a client's records field, or the batches of a coordinator's. Throws CORRUPT_MESSAGE, INVALID_RECORD. */
export function parseBatches(
  records: Uint8Array,
  origin: "client" | "coordinator",
): readonly BatchHeader[] {
  const batches: BatchHeader[] = [];
  try {
    for (let at = 0; at < records.length;) {
      const batch = batchAt(records, at);
      batches.push(batch);
      at += batch.size;
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, error.message);
  }
  if (batches.length === 0) throw new ProtocolError(ErrorCode.INVALID_RECORD, "no record batch");
  if (origin === "client" && batches.length > 1) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, "more than one record batch for a partition");
  }
  return batches;
}

/**
 * What may enter a log as a leader's append, looking at the header and the checksum only. Throws CORRUPT_MESSAGE,
 * INVALID_RECORD, MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function validateBatch(
  records: Uint8Array,
  batch: BatchHeader,
  config: LogConfig,
  now: EpochMillis,
  origin: "client" | "coordinator",
): void {
  if (batch.magic !== MAGIC)
    throw new ProtocolError(ErrorCode.INVALID_RECORD, "record batch version");
  if (!crcMatches(records, batch)) throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, "checksum");
  if (batch.size > config.maxMessageBytes) throw new ProtocolError(ErrorCode.MESSAGE_TOO_LARGE);
  if (batch.codec > MAX_CODEC) throw new ProtocolError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE);
  if (batch.count <= 0 || batch.count !== batch.lastOffsetDelta + 1) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, "record count does not match the offsets");
  }
  if (origin === "client" && batch.control) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, "control batch from a client");
  }
  if (
    batch.producerId >= 0 &&
    !batch.control &&
    (batch.baseSequence < 0 || batch.producerEpoch < 0)
  ) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, "producer id without sequence");
  }
  if (config.timestampType === "CreateTime" && origin === "client") {
    const { maxTimestamp } = batch;
    const tooLate = maxTimestamp - now > config.timestampAfterMaxMs;
    const tooEarly = maxTimestamp >= 0 && now - maxTimestamp > config.timestampBeforeMaxMs;
    if (tooLate || tooEarly) throw new ProtocolError(ErrorCode.INVALID_TIMESTAMP);
  }
}

/**
 * What a compacted topic needs of a client's batch: sound records, each with a key. It is the one place where such a
 * batch is opened before it is compacted. Throws INVALID_RECORD, with the records at fault if it is for their keys.
 */
export function requireKeys(records: Uint8Array, batch: BatchHeader): void {
  const keyless: RecordError[] = [];
  try {
    const cursor = new RecordCursor(openBatch(records, batch), batch.count);
    for (let index = 0; cursor.next(); index++) {
      if (cursor.offsetDelta !== index) {
        throw new MalformedError("record offsets are not one after the other");
      }
      if (!cursor.hasKey && keyless.length < MAX_RECORD_ERRORS) {
        keyless.push({
          batchIndex: index,
          message: "a compacted topic takes no record without key",
        });
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new ProtocolError(ErrorCode.INVALID_RECORD, error.message);
  }
  if (keyless.length === 0) return;
  throw new InvalidRecordsError("records without key for a compacted topic", keyless);
}

/** A leader's batches, checked for damage on the way. Throws CORRUPT_MESSAGE, INVALID_RECORD. */
export function parseFollowed(records: Uint8Array): readonly BatchHeader[] {
  const batches = parseBatches(records, "coordinator");
  for (const batch of batches) {
    if (!crcMatches(records, batch)) throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, "checksum");
  }
  return batches;
}
