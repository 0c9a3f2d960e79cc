import { addValues } from "../arithmetic.ts";
import { CelError, noSuchOverload } from "../errors.ts";
import { argument, listArgument } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import { compare, contains, elementsOf, equals } from "../values.ts";
import type { Budget, CelList, CelValue } from "../values.ts";

/** What Kubernetes adds for lists, and cel-go's `sets`. */
export const listFunctions: FunctionTable = {
  ".isSorted()": ([value], budget) => {
    let last: CelValue | undefined;
    for (const element of elementsOf(listArgument(value), budget)) {
      if (last !== undefined && compare(last, element, budget) > 0) return false;
      last = element;
    }
    return true;
  },
  ".sum()": ([value], budget) => {
    let sum: CelValue | undefined;
    for (const element of elementsOf(listArgument(value), budget)) {
      sum = sum === undefined ? summand(element) : addValues(sum, summand(element), budget);
    }
    return sum ?? 0n;
  },
  ".min()": ([value], budget) => extreme(listArgument(value), "min", budget),
  ".max()": ([value], budget) => extreme(listArgument(value), "max", budget),
  "sets.contains(__)": ([a, b], budget) => includes(listArgument(a), listArgument(b), budget),
  "sets.equivalent(__)": ([a, b], budget) =>
    includes(listArgument(a), listArgument(b), budget) &&
    includes(listArgument(b), listArgument(a), budget),
  "sets.intersects(__)": ([a, b], budget) => {
    const other = listArgument(b);
    for (const element of elementsOf(listArgument(a), budget)) {
      if (contains(other, element, budget)) return true;
    }
    return false;
  },
};

/** Where an element first or last stands, or -1. */
export function indexInList(
  list: CelList,
  wanted: CelValue,
  which: "first" | "last",
  budget: Budget,
): bigint {
  let found = -1n;
  let index = 0n;
  for (const element of elementsOf(list, budget)) {
    if (equals(element, wanted, budget)) {
      found = index;
      if (which === "first") break;
    }
    index++;
  }
  return found;
}

function includes(whole: CelList, part: CelList, budget: Budget): boolean {
  for (const element of elementsOf(part, budget)) {
    if (!contains(whole, element, budget)) return false;
  }
  return true;
}

function summand(value: CelValue): CelValue {
  if (typeof value === "bigint" || typeof value === "number") return value;
  if (typeof value === "object" && value?.kind === "duration") return value;
  throw noSuchOverload();
}

function extreme(list: CelList, name: "min" | "max", budget: Budget): CelValue {
  if (list.size === 0) throw new CelError(`${name} called on empty list`);
  let best = argument([list.at(0)], 0);
  for (const element of elementsOf(list, budget)) {
    const order = compare(element, best, budget);
    if (name === "min" ? order < 0 : order > 0) best = element;
  }
  return best;
}
