import { CelError, noSuchOverload } from "./errors.ts";
import { durationOf, timestampOf } from "./time.ts";
import { checkedInt, elementsOf, equals, isList, listOf } from "./values.ts";
import type { Budget, CelList, CelValue } from "./values.ts";

/** `a + b` of numbers, strings, lists and times. @throws CelError */
export function addValues(a: CelValue, b: CelValue, budget: Budget): CelValue {
  if (typeof a === "bigint" && typeof b === "bigint") return checkedInt(a + b);
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (typeof a === "string" && typeof b === "string") {
    budget.spend((a.length + b.length) / 10);
    return a + b;
  }
  if (isList(a) && isList(b)) return concatenate(a, b, budget);
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const nanos = nanosOf(a) + nanosOf(b);
    if (a.kind === "duration" && b.kind === "duration") return durationOf(nanos);
    if (a.kind === "timestamp" && b.kind === "duration") return timestampOf(nanos);
    if (a.kind === "duration" && b.kind === "timestamp") return timestampOf(nanos);
  }
  throw noSuchOverload();
}

/** `a - b` of numbers and times. @throws CelError */
export function subtractValues(a: CelValue, b: CelValue): CelValue {
  if (typeof a === "bigint" && typeof b === "bigint") return checkedInt(a - b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const nanos = nanosOf(a) - nanosOf(b);
    if (a.kind === "duration" && b.kind === "duration") return durationOf(nanos);
    if (a.kind === "timestamp" && b.kind === "timestamp") return durationOf(nanos);
    if (a.kind === "timestamp" && b.kind === "duration") return timestampOf(nanos);
  }
  throw noSuchOverload();
}

/** `a * b`. @throws CelError */
export function multiplyValues(a: CelValue, b: CelValue): CelValue {
  if (typeof a === "bigint" && typeof b === "bigint") return checkedInt(a * b);
  if (typeof a === "number" && typeof b === "number") return a * b;
  throw noSuchOverload();
}

/** `a / b`; of ints towards zero. @throws CelError */
export function divideValues(a: CelValue, b: CelValue): CelValue {
  if (typeof a === "number" && typeof b === "number") return a / b;
  if (typeof a !== "bigint" || typeof b !== "bigint") throw noSuchOverload();
  if (b === 0n) throw new CelError("division by zero");
  return checkedInt(a / b);
}

/** `a % b` of ints, with the sign of `a`. @throws CelError */
export function moduloValues(a: CelValue, b: CelValue): CelValue {
  if (typeof a !== "bigint" || typeof b !== "bigint") throw noSuchOverload();
  if (b === 0n) throw new CelError("modulus by zero");
  // The quotient must fit as well: the smallest int has none by -1.
  checkedInt(a / b);
  return a % b;
}

/** `-a`. @throws CelError */
export function negateValue(a: CelValue): CelValue {
  if (typeof a === "bigint") return checkedInt(-a);
  if (typeof a === "number") return -a;
  throw noSuchOverload();
}

/** Zero for what is no time; such values are not used by the callers. */
function nanosOf(value: Exclude<CelValue, null | string | number | bigint | boolean>): bigint {
  return value.kind === "duration" || value.kind === "timestamp" ? value.nanos : 0n;
}

/**
 * Lists whose elements have an identity are joined as Kubernetes documents it for set and map lists: an element of `b`
 * takes the place of the one in `a` with the same identity, others are appended.
 */
function concatenate(a: CelList, b: CelList, budget: Budget): CelList {
  const items = [...elementsOf(a, budget)];
  const { identityOf } = a;
  if (identityOf === undefined) return listOf([...items, ...elementsOf(b, budget)]);
  for (const element of elementsOf(b, budget)) {
    const identity = identityOf(element);
    const index = items.findIndex((item) => equals(identityOf(item), identity, budget));
    if (index >= 0) items[index] = element;
    else items.push(element);
  }
  return listOf(items, identityOf);
}
