import { CelError, noSuchOverload } from "../errors.ts";
import { argument } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import { isList, isMap } from "../values.ts";
import type { CelOptional, CelValue } from "../values.ts";

/** Values that may be absent (cel-go's optional types); `optMap` and `optFlatMap` are macros. */
export const optionalFunctions: FunctionTable = {
  "optional.none()": () => ({ kind: "optional" }),
  "optional.of(_)": (args) => ({ kind: "optional", value: argument(args, 0) }),
  "optional.ofNonZeroValue(_)": (args) => {
    const value = argument(args, 0);
    return isZero(value) ? { kind: "optional" } : { kind: "optional", value };
  },
  ".hasValue()": (args) => optionalOf(argument(args, 0)).value !== undefined,
  ".value()": (args) => {
    const { value } = optionalOf(argument(args, 0));
    if (value === undefined) throw new CelError("optional.none() dereference");
    return value;
  },
  ".orValue(_)": (args) => {
    // An optional of null is not an absent one, so `??` would not do.
    const { value } = optionalOf(argument(args, 0));
    return value === undefined ? argument(args, 1) : value;
  },
  ".or(_)": (args) => {
    const first = optionalOf(argument(args, 0));
    return first.value === undefined ? optionalOf(argument(args, 1)) : first;
  },
};

/** @throws CelError when it is no optional */
export function optionalOf(value: CelValue): CelOptional {
  if (typeof value === "object" && value?.kind === "optional") return value;
  throw noSuchOverload();
}

function isZero(value: CelValue): boolean {
  if (isList(value)) return value.size === 0;
  if (isMap(value)) return value.keys.length === 0;
  if (typeof value === "object" && value !== null)
    return value.kind === "duration" && value.nanos === 0n;
  return value === null || value === false || value === 0n || value === 0 || value === "";
}
