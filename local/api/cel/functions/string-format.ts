import { CelError } from "../errors.ts";
import { durationText, timestampText } from "../time.ts";
import { elementsOf, isList, isMap, typeNameOf } from "../values.ts";
import type { Budget, CelList, CelValue } from "../values.ts";
import { doubleText } from "./conversions.ts";

const CLAUSE = /%(?:%|(?:\.([0-9]+))?([a-zA-Z]))/g;
const DEFAULT_PRECISION = 6;
const MAX_PRECISION = 20;

/**
 * `"%s is %d".format([…])` with %s, %d, %f, %b, %o, %x, %X and %%; %e is left out. @throws CelError when a value does not
 * fit its clause, or there are too few
 */
export function formatted(form: string, values: CelList, budget: Budget): string {
  let next = 0;
  const text = form.replace(CLAUSE, (_, precision: string | undefined, letter?: string) => {
    if (letter === undefined) return "%";
    if (next >= values.size) throw new CelError(`index ${String(next)} out of range`);
    const shown = clauseText(
      letter,
      values.at(next++),
      Number(precision ?? DEFAULT_PRECISION),
      budget,
    );
    budget.spend(shown.length / 10);
    return shown;
  });
  budget.spend(form.length / 10);
  return text;
}

function clauseText(letter: string, value: CelValue, precision: number, budget: Budget): string {
  switch (letter) {
    case "s":
      return stringText(value, budget);
    case "d":
      if (typeof value === "bigint") return String(value);
      break;
    case "f":
      if (typeof value === "number") return fixedPointText(value, precision);
      break;
    case "b":
      if (typeof value === "bigint") return value.toString(2);
      if (typeof value === "boolean") return value ? "1" : "0";
      break;
    case "o":
      if (typeof value === "bigint") return value.toString(8);
      break;
    case "x":
    case "X": {
      const hex =
        typeof value === "bigint"
          ? value.toString(16)
          : typeof value === "string"
            ? Buffer.from(value).toString("hex")
            : undefined;
      if (hex !== undefined) return letter === "x" ? hex : hex.toUpperCase();
      break;
    }
    default:
      throw new CelError(
        `could not parse formatting clause: unrecognized formatting clause "${letter}"`,
      );
  }
  throw new CelError(`error during formatting: %${letter} was given ${typeNameOf(value)}`);
}

/** In English, as the API server writes them: 1,234.500000. */
function fixedPointText(value: number, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞";
  const digits = Math.min(precision, MAX_PRECISION);
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

function stringText(value: CelValue, budget: Budget): string {
  budget.spend(1);
  if (value === null) return "null";
  if (isList(value)) {
    const items = [...elementsOf(value, budget)].map((item) => literalText(item, budget));
    return `[${items.join(", ")}]`;
  }
  if (isMap(value)) {
    const entries = value.keys.map((key) => {
      const text = `${literalText(key, budget)}:${literalText(value.get(key) ?? null, budget)}`;
      return [literalText(key, budget), text] as const;
    });
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([, text]) => text).join(", ")}}`;
  }
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return doubleText(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  switch (value.kind) {
    case "timestamp":
      return timestampText(value);
    case "duration":
      return durationText(value);
    case "type":
      return value.name;
    case "quantity":
    case "optional":
      throw new CelError(`error during formatting: %s was given ${typeNameOf(value)}`);
  }
}

/** Within a list or a map strings are quoted, and doubles have six digits. */
function literalText(value: CelValue, budget: Budget): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return fixedPointText(value, DEFAULT_PRECISION);
  return stringText(value, budget);
}
