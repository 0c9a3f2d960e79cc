import { CelError, noSuchOverload } from "../errors.ts";
import { argument } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import {
  durationText,
  parseDuration,
  parseTimestamp,
  timestampOf,
  timestampText,
} from "../time.ts";
import { checkedInt, isList, isMap, typeNameOf } from "../values.ts";
import type { Budget, CelValue } from "../values.ts";

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);
const DOUBLE = /^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?|nan)$/i;

/** Conversions between types, and `size`. */
export const conversions: FunctionTable = {
  "bool(_)": ([value]) => toBool(value),
  "double(_)": ([value]) => toDouble(value),
  "duration(_)": ([value]) => {
    if (typeof value === "string") return parseDuration(value);
    if (typeof value === "object" && value?.kind === "duration") return value;
    throw noSuchOverload();
  },
  "dyn(_)": (args) => argument(args, 0),
  "int(_)": ([value]) => toInt(value),
  "size(_)": (args, budget) => sizeOf(argument(args, 0), budget),
  ".size()": (args, budget) => sizeOf(argument(args, 0), budget),
  "string(_)": ([value]) => toText(value),
  "timestamp(_)": ([value]) => {
    if (typeof value === "string") return parseTimestamp(value);
    if (typeof value === "bigint") return timestampOf(value * 1_000_000_000n);
    if (typeof value === "object" && value?.kind === "timestamp") return value;
    throw noSuchOverload();
  },
  "type(_)": (args) => ({ kind: "type", name: typeNameOf(argument(args, 0)) }),
};

function sizeOf(value: CelValue, budget: Budget): bigint {
  if (typeof value === "string") {
    budget.spend(value.length / 10);
    return BigInt(Array.from(value).length);
  }
  if (isList(value)) return BigInt(value.size);
  if (isMap(value)) return BigInt(value.keys.length);
  throw noSuchOverload();
}

function toBool(value: CelValue | undefined): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string") throw noSuchOverload();
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw new CelError(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}

function toInt(value: CelValue | undefined): bigint {
  switch (typeof value) {
    case "bigint":
      return value;
    case "number": {
      // The two ends themselves have no exact double on one side, so cel-go refuses both.
      if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new CelError("integer overflow");
      return BigInt(Math.trunc(value));
    }
    case "string": {
      const quoted = JSON.stringify(value);
      if (!/^[+-]?[0-9]+$/.test(value)) {
        throw new CelError(`strconv.ParseInt: parsing ${quoted}: invalid syntax`);
      }
      try {
        return checkedInt(BigInt(value.replace("+", "")));
      } catch {
        throw new CelError(`strconv.ParseInt: parsing ${quoted}: value out of range`);
      }
    }
    default:
      if (typeof value === "object" && value?.kind === "timestamp") {
        return (value.nanos - (((value.nanos % NANOS) + NANOS) % NANOS)) / NANOS;
      }
      throw noSuchOverload();
  }
}

const NANOS = 1_000_000_000n;

function toDouble(value: CelValue | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "string") throw noSuchOverload();
  if (!DOUBLE.test(value)) {
    throw new CelError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  const plain = value.toLowerCase().replace(/^\+/, "");
  if (plain.endsWith("nan")) return Number.NaN;
  if (plain.includes("inf")) return plain.startsWith("-") ? -Infinity : Infinity;
  const parsed = Number(plain);
  if (!Number.isFinite(parsed)) {
    throw new CelError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: value out of range`);
  }
  return parsed;
}

function toText(value: CelValue | undefined): string {
  switch (typeof value) {
    case "string":
      return value;
    case "bigint":
    case "boolean":
      return String(value);
    case "number":
      return doubleText(value);
    default:
      if (typeof value === "object" && value?.kind === "timestamp") return timestampText(value);
      if (typeof value === "object" && value?.kind === "duration") return durationText(value);
      throw noSuchOverload();
  }
}

/** A double as Go writes it with %g and the fewest digits: 1e+06, 1.5, 0.0001, NaN, +Inf. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  const sign = exponent < 0 ? "-" : "+";
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
