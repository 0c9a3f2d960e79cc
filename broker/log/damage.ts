import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { Offset } from "./types.ts";

/** Where a segment is not what was written, as far as can be told from what is left. */
export interface DamagedPlace {
  /** First offset that cannot be read. */
  readonly offset: Offset;
  /** Base offset of the segment. */
  readonly segment: Offset;
  /** Of the damaged batch in the records file. */
  readonly position: number;
  /** The file ends there and lacks all from there on to before this offset. */
  readonly until?: Offset;
}

/** What is on disk is not what was written: it is reported and repaired from another replica, never served. */
export class DamagedError extends ProtocolError {
  readonly place: DamagedPlace;
  constructor(place: DamagedPlace, what: string) {
    super(ErrorCode.KAFKA_STORAGE_ERROR, `damaged segment: ${what}`);
    this.place = place;
  }
}
