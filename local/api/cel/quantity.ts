import { CelError } from "./errors.ts";

/** A quantity of a resource (`10Gi`, `500m`), in billionths. */
export interface Quantity {
  readonly kind: "quantity";
  readonly nanos: bigint;
}

const NANOS = 10n ** 9n;
/** The API server caps quantities there. */
const MAX_NANOS = (2n ** 63n - 1n) * NANOS;
const MAX_LENGTH = 256;

const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL_EXPONENTS: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const FORMAT = /^([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([a-zA-Z]*|[eE][+-]?[0-9]+)$/;

/** @returns undefined for what is no quantity. Fractions of a billionth are rounded away from zero. */
export function parseQuantity(text: string): Quantity | undefined {
  const [, sign, number, suffix] = (text.length <= MAX_LENGTH && FORMAT.exec(text)) || [];
  if (number === undefined || suffix === undefined) return undefined;
  const [whole = "", fraction = ""] = number.split(".");
  const power = BINARY.indexOf(suffix);
  const binary = power > 0;
  const exponent = binary ? 0 : exponentOf(suffix);
  if (exponent === undefined) return undefined;
  let digits = BigInt(`${whole}${fraction}` || "0");
  if (binary) digits <<= BigInt(10 * power);
  const scale = exponent - fraction.length + 9;
  let nanos: bigint;
  if (digits === 0n) nanos = 0n;
  else if (scale >= 0) {
    // Beyond this many zeros the quantity is capped anyway; the exponent may be anything.
    nanos = digits * 10n ** BigInt(Math.min(scale, 40));
  } else {
    const divisor = 10n ** BigInt(Math.min(-scale, 2 * MAX_LENGTH));
    nanos = (digits + divisor - 1n) / divisor;
  }
  if (nanos > MAX_NANOS) nanos = MAX_NANOS;
  return { kind: "quantity", nanos: sign === "-" ? -nanos : nanos };
}

export function quantityOfInt(value: bigint): Quantity {
  return { kind: "quantity", nanos: value * NANOS };
}

/** -1, 0 or 1. */
export function compareQuantities(a: Quantity, b: Quantity): bigint {
  return a.nanos < b.nanos ? -1n : a.nanos > b.nanos ? 1n : 0n;
}

export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { kind: "quantity", nanos: a.nanos + b.nanos };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { kind: "quantity", nanos: a.nanos - b.nanos };
}

export function isWhole({ nanos }: Quantity): boolean {
  return nanos % NANOS === 0n;
}

/** @throws CelError for a fraction */
export function quantityAsInt(quantity: Quantity): bigint {
  if (!isWhole(quantity)) throw new CelError("cannot convert value to integer");
  return quantity.nanos / NANOS;
}

export function quantityAsDouble({ nanos }: Quantity): number {
  return Number(nanos) / 1e9;
}

function exponentOf(suffix: string): number | undefined {
  if (/^[eE][+-]?[0-9]+$/.test(suffix)) return Number(suffix.slice(1));
  return Object.hasOwn(DECIMAL_EXPONENTS, suffix) ? DECIMAL_EXPONENTS[suffix] : undefined;
}
