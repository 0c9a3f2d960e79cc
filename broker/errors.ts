import { errorName } from "./protocol/error-codes.ts";

/** A refusal that is answered to the client with a Kafka error code; never a fault of ours. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** One of ErrorCode. */
  readonly errorCode: number;
  constructor(errorCode: number, message?: string) {
    super(message ?? errorName(errorCode));
    this.errorCode = errorCode;
  }
}
