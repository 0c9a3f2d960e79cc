import { noSuchOverload } from "../errors.ts";
import { textOf } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import { dateOf, zoneOffset } from "../time.ts";
import type { CelValue } from "../values.ts";

/** Parts of a timestamp in UTC or at an offset; of a duration the whole of it in a unit. */
export const timeFunctions: FunctionTable = {
  ...ofTimestamp("getFullYear", (date) => date.getUTCFullYear()),
  ...ofTimestamp("getMonth", (date) => date.getUTCMonth()),
  ...ofTimestamp("getDate", (date) => date.getUTCDate()),
  ...ofTimestamp("getDayOfMonth", (date) => date.getUTCDate() - 1),
  ...ofTimestamp("getDayOfWeek", (date) => date.getUTCDay()),
  ...ofTimestamp("getDayOfYear", dayOfYear),
  ...ofTimestamp("getHours", (date) => date.getUTCHours(), 3_600_000_000_000n),
  ...ofTimestamp("getMinutes", (date) => date.getUTCMinutes(), 60_000_000_000n),
  ...ofTimestamp("getSeconds", (date) => date.getUTCSeconds(), 1_000_000_000n),
  ...ofTimestamp("getMilliseconds", (date) => date.getUTCMilliseconds(), 1_000_000n),
};

function ofTimestamp(
  name: string,
  part: (date: Date) => number,
  unitNanos?: bigint,
): FunctionTable {
  const get = (value: CelValue | undefined, zone: string): bigint => {
    if (typeof value !== "object" || value === null) throw noSuchOverload();
    if (value.kind === "duration" && unitNanos !== undefined) return value.nanos / unitNanos;
    if (value.kind !== "timestamp") throw noSuchOverload();
    return BigInt(part(dateOf(value, zoneOffset(zone))));
  };
  return {
    [`.${name}()`]: ([value]) => get(value, "UTC"),
    [`.${name}(_)`]: ([value, zone]) => get(value, textOf(zone)),
  };
}

function dayOfYear(date: Date): number {
  const first = new Date(date);
  first.setUTCMonth(0, 1);
  return Math.round((date.getTime() - first.getTime()) / 86_400_000);
}
