import { CelError } from "./errors.ts";
import type { CelDuration, CelTimestamp } from "./values.ts";

const SECOND = 1_000_000_000n;
/** Nanoseconds of each unit of a duration. */
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", SECOND],
  ["m", 60n * SECOND],
  ["h", 3_600n * SECOND],
]);
const MAX_DURATION = 2n ** 63n - 1n;
/** 0001-01-01T00:00:00Z and the end of year 9999. */
const FIRST_TIMESTAMP = -62_135_596_800n * SECOND;
const LAST_TIMESTAMP = 253_402_300_800n * SECOND - 1n;

const PART = /([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)/y;
const RFC_3339 =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$/;

/** A duration as Go writes one: `1h30m`, `-1.5s`, `0`. @throws CelError */
export function parseDuration(text: string): CelDuration {
  const invalid = (): CelError => new CelError(`time: invalid duration ${JSON.stringify(text)}`);
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  if (digits === "0") return { kind: "duration", nanos: 0n };
  if (digits === "") throw invalid();
  let nanos = 0n;
  let position = 0;
  while (position < digits.length) {
    PART.lastIndex = position;
    const [part, whole = "", fraction = "", unit = ""] = PART.exec(digits) ?? [];
    const size = UNITS.get(unit);
    if (part === undefined || size === undefined || whole + fraction === "") throw invalid();
    position += part.length;
    nanos += BigInt(whole === "" ? "0" : whole) * size;
    if (fraction !== "") nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
    if (nanos > MAX_DURATION + 1n) throw invalid();
  }
  if (!negative && nanos > MAX_DURATION) throw invalid();
  return { kind: "duration", nanos: negative ? -nanos : nanos };
}

/** @throws CelError when it is longer than 64 bits of nanoseconds */
export function durationOf(nanos: bigint): CelDuration {
  if (nanos > MAX_DURATION || nanos < -MAX_DURATION - 1n) throw new CelError("duration overflow");
  return { kind: "duration", nanos };
}

/** Seconds with as many digits as are needed, `1.5s`. */
export function durationText({ nanos }: CelDuration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? "-" : ""}${String(size / SECOND)}${fractionText(size % SECOND)}s`;
}

/** A time of RFC 3339. @throws CelError */
export function parseTimestamp(text: string): CelTimestamp {
  const parts = RFC_3339.exec(text);
  const invalid = (): CelError =>
    new CelError(`parsing time ${JSON.stringify(text)}: not a timestamp of RFC 3339`);
  if (parts === null) throw invalid();
  const [, year, month, day, hour, minute, second, fraction = "", sign, zoneHour, zoneMinute] =
    parts;
  const fields = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = fields;
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const valid =
    date.getUTCMonth() === mo - 1 && date.getUTCDate() === d && h < 24 && mi < 60 && s < 60;
  const zone = Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0);
  if (!valid || Number(zoneHour ?? 0) > 24 || Number(zoneMinute ?? 0) > 59) throw invalid();
  const seconds = BigInt(date.getTime() / 1000 - (sign === "-" ? -zone : zone) * 60);
  return timestampOf(seconds * SECOND + BigInt(fraction.slice(0, 9).padEnd(9, "0")));
}

/** @param nanos since 1970. @throws CelError outside the years 1 to 9999 */
export function timestampOf(nanos: bigint): CelTimestamp {
  if (nanos < FIRST_TIMESTAMP || nanos > LAST_TIMESTAMP) throw new CelError("timestamp overflow");
  return { kind: "timestamp", nanos };
}

/** RFC 3339 in UTC, with as many digits of the second as are needed. */
export function timestampText(timestamp: CelTimestamp): string {
  const [date = ""] = dateOf(timestamp).toISOString().split(".");
  return `${date}${fractionText(modulo(timestamp.nanos, SECOND))}Z`;
}

/** The timestamp to the millisecond, as a date whose UTC fields are those at an offset of a time zone. */
export function dateOf({ nanos }: CelTimestamp, offsetMinutes = 0): Date {
  const millis = (nanos - modulo(nanos, 1_000_000n)) / 1_000_000n;
  return new Date(Number(millis) + offsetMinutes * 60_000);
}

/** Minutes to the east of UTC; names of places are not known. @throws CelError */
export function zoneOffset(zone: string): number {
  if (zone === "UTC" || zone === "") return 0;
  const [, sign, hours, minutes] = /^([+-]?)([0-9]{2}):([0-9]{2})$/.exec(zone) ?? [];
  if (hours === undefined) throw new CelError(`unknown time zone ${zone}`);
  const offset = Number(hours) * 60 + Number(minutes);
  return sign === "-" ? -offset : offset;
}

function fractionText(nanos: bigint): string {
  if (nanos === 0n) return "";
  return `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}`;
}

function modulo(a: bigint, b: bigint): bigint {
  return ((a % b) + b) % b;
}
