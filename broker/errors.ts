import { ErrorCode, errorName } from "./protocol/error-codes.ts";

/** A refusal that is answered to the client with a Kafka error code; never a fault of ours. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** One of ErrorCode. */
  readonly errorCode: number;
  constructor(errorCode: number, message?: string) {
    // An answer like any other, and there may be thousands in one: where it was made is of no use, and dear to find out.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message ?? errorName(errorCode));
    Error.stackTraceLimit = stackTraceLimit;
    this.errorCode = errorCode;
  }
}

/** What is wrong with one record of a refused batch (KIP-467). */
export interface RecordError {
  /** Its place in the batch. */
  readonly batchIndex: number;
  readonly message: string;
}

/** A batch that is refused for some of its records (KIP-467). */
export class InvalidRecordsError extends ProtocolError {
  readonly recordErrors: readonly RecordError[];
  constructor(message: string, recordErrors: readonly RecordError[]) {
    super(ErrorCode.INVALID_RECORD, message);
    this.recordErrors = recordErrors;
  }
}
