const TWO_32 = 4294967296;

/**
 * The number that stands for the largest int64, which Kafka sends for "no bound". No number is 2^63 - 1: the nearest,
 * 2^63, is what it is read as, and every number from 2^63 - 1024 on is written as it.
 */
export const INT64_MAX = 2 ** 63;
/** The largest number below 2^63. */
const LAST_BELOW_MAX = INT64_MAX - 1024;

/** Big-endian; exact up to 2^53; made of two halves because BigInt costs five times as much. */
export function getInt64(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
}

export function setInt64(view: DataView, at: number, value: number): void {
  if (value >= LAST_BELOW_MAX) {
    view.setUint32(at, 0x7fffffff);
    view.setUint32(at + 4, 0xffffffff);
    return;
  }
  view.setInt32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value >>> 0);
}
