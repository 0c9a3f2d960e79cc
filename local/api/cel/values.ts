import { CelCostError, CelError, noSuchOverload } from "./errors.ts";
import type { Quantity } from "./quantity.ts";

/** A value of CEL. An int is a bigint within 64 bits, a double a number. Values never change. */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | CelList
  | CelMap
  | CelDuration
  | CelTimestamp
  | Quantity
  | CelType
  | CelOptional;

/** A list; where its elements come from is up to who made it. */
export interface CelList {
  readonly kind: "list";
  readonly size: number;
  /** The element at an index within the size. */
  at(index: number): CelValue;
  /** Elements are told apart by this, and their order does not count for equality (Kubernetes' set and map lists). */
  readonly identityOf?: (element: CelValue) => CelValue;
}

/** A map, or an object of known fields. */
export interface CelMap {
  readonly kind: "map";
  readonly keys: readonly CelValue[];
  /** The value of a key; undefined when there is none. */
  get(key: CelValue): CelValue | undefined;
}

export interface CelDuration {
  readonly kind: "duration";
  readonly nanos: bigint;
}

export interface CelTimestamp {
  readonly kind: "timestamp";
  /** Nanoseconds since 1970 in UTC. */
  readonly nanos: bigint;
}

/** A type as a value, as in `type(self) == string`. */
export interface CelType {
  readonly kind: "type";
  readonly name: string;
}

/** A value that may be absent, as of `self.?field` and of `oldSelf` with `optionalOldSelf`. */
export interface CelOptional {
  readonly kind: "optional";
  readonly value?: CelValue;
}

/** What an evaluation may still spend: a step is about one operation on one scalar. */
export class Budget {
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  get left(): number {
    return this.#left;
  }

  /** @throws CelCostError when nothing is left */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new CelCostError("actual cost limit exceeded");
  }
}

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -MAX_INT - 1n;

/** @throws CelError when the value has more than 64 bits */
export function checkedInt(value: bigint): bigint {
  if (value > MAX_INT || value < MIN_INT) throw new CelError("integer overflow");
  return value;
}

export function listOf(items: readonly CelValue[], identityOf?: CelList["identityOf"]): CelList {
  return {
    kind: "list",
    size: items.length,
    at: (index) => items[index] ?? null,
    ...(identityOf === undefined ? {} : { identityOf }),
  };
}

/** @throws CelError for a key that is no scalar, or that comes twice */
export function mapOf(entries: readonly (readonly [CelValue, CelValue])[]): CelMap {
  const values = new Map<CelValue, CelValue>();
  for (const [key, value] of entries) {
    if (!["string", "bigint", "boolean"].includes(typeof key)) {
      throw new CelError(`unsupported key type: ${typeNameOf(key)}`);
    }
    if (values.has(key)) throw new CelError(`Failed with repeated key`);
    values.set(key, value);
  }
  return { kind: "map", keys: [...values.keys()], get: (key) => values.get(wholeKey(key)) };
}

export function isList(value: CelValue): value is CelList {
  return typeof value === "object" && value !== null && value.kind === "list";
}

export function isMap(value: CelValue): value is CelMap {
  return typeof value === "object" && value !== null && value.kind === "map";
}

/** The elements of a list, each paid for. */
export function* elementsOf(list: CelList, budget: Budget): Iterable<CelValue> {
  for (let i = 0; i < list.size; i++) {
    budget.spend(1);
    yield list.at(i);
  }
}

/** The name of a value's type in CEL. */
export function typeNameOf(value: CelValue): string {
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "string":
      return "string";
    default:
      break;
  }
  if (value === null) return "null_type";
  switch (value.kind) {
    case "list":
    case "map":
    case "type":
      return value.kind;
    case "duration":
      return "google.protobuf.Duration";
    case "timestamp":
      return "google.protobuf.Timestamp";
    case "quantity":
      return "kubernetes.Quantity";
    case "optional":
      return "optional_type";
  }
}

/** Equality of CEL: numbers by value whatever their type, other values of different types are not equal. */
export function equals(a: CelValue, b: CelValue, budget: Budget): boolean {
  budget.spend(1);
  if (typeof a === "string" && typeof b === "string") {
    if (a.length === b.length) budget.spend(a.length / 10);
    return a === b;
  }
  // Loose equality of bigint and number is that of their mathematical values.
  if (isNumber(a) && isNumber(b)) return a == b;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (a.kind === "list" && b.kind === "list") return listsEqual(a, b, budget);
  if (a.kind === "map" && b.kind === "map") return mapsEqual(a, b, budget);
  if (a.kind === "type" && b.kind === "type") return a.name === b.name;
  if (a.kind === "optional" && b.kind === "optional") {
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return equals(a.value, b.value, budget);
  }
  if (
    (a.kind === "duration" && b.kind === "duration") ||
    (a.kind === "timestamp" && b.kind === "timestamp") ||
    (a.kind === "quantity" && b.kind === "quantity")
  ) {
    return a.nanos === b.nanos;
  }
  return false;
}

/** Negative, zero or positive; NaN when a NaN is compared. @throws CelError for types without a common order */
export function compare(a: CelValue, b: CelValue, budget: Budget): number {
  budget.spend(1);
  if (isNumber(a) && isNumber(b)) {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (typeof a === "string" && typeof b === "string") {
    budget.spend(Math.min(a.length, b.length) / 10);
    return compareStrings(a, b);
  }
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const sameInstant =
      (a.kind === "duration" && b.kind === "duration") ||
      (a.kind === "timestamp" && b.kind === "timestamp");
    if (sameInstant) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  }
  throw noSuchOverload();
}

/** Whether `value` is an element of the list or a key of the map. @throws CelError for anything else */
export function contains(container: CelValue, value: CelValue, budget: Budget): boolean {
  budget.spend(1);
  if (isMap(container)) return container.get(value) !== undefined;
  if (!isList(container)) throw noSuchOverload();
  for (const element of elementsOf(container, budget)) {
    if (equals(element, value, budget)) return true;
  }
  return false;
}

/** A key as it is looked up: a double that is whole finds the int of its value. */
export function wholeKey(key: CelValue): CelValue {
  return typeof key === "number" && Number.isSafeInteger(key) ? BigInt(key) : key;
}

function isNumber(value: CelValue): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

/** By code points, as CEL orders strings; JavaScript's own order is by UTF-16 units. */
function compareStrings(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    const isLow = (text: string): boolean => {
      const unit = text.charCodeAt(i);
      return unit >= 0xdc00 && unit <= 0xdfff;
    };
    const at = isLow(a) && isLow(b) ? i - 1 : i;
    return (a.codePointAt(at) ?? 0) - (b.codePointAt(at) ?? 0);
  }
  return a.length - b.length;
}

function listsEqual(a: CelList, b: CelList, budget: Budget): boolean {
  if (a.size !== b.size) return false;
  const { identityOf } = a;
  if (identityOf === undefined) {
    for (let i = 0; i < a.size; i++) if (!equals(a.at(i), b.at(i), budget)) return false;
    return true;
  }
  for (const element of elementsOf(a, budget)) {
    const identity = identityOf(element);
    let found = false;
    for (const other of elementsOf(b, budget)) {
      if (!equals(identityOf(other), identity, budget)) continue;
      found = equals(element, other, budget);
      break;
    }
    if (!found) return false;
  }
  return true;
}

function mapsEqual(a: CelMap, b: CelMap, budget: Budget): boolean {
  if (a.keys.length !== b.keys.length) return false;
  return a.keys.every((key) => {
    const other = b.get(key);
    return other !== undefined && equals(a.get(key) ?? null, other, budget);
  });
}
