/** Milliseconds: a duration, or a point on a monotonic clock whose origin has no meaning. */
export type Millis = number;
/** Milliseconds since the Unix epoch, by the wall clock; only for what people and records see. */
export type EpochMillis = number;
/** A count of bytes. */
export type Bytes = number;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const SECOND: Millis = 1000;
export const MINUTE: Millis = 60 * SECOND;
export const HOUR: Millis = 60 * MINUTE;
