import { noSuchOverload } from "./errors.ts";
import type { Budget, CelList, CelValue } from "./values.ts";
import { isList } from "./values.ts";

/** @throws CelError when the arguments do not fit */
export type CelFunction = (args: readonly CelValue[], budget: Budget) => CelValue;

/** Functions by name and number of arguments: `size(_)`, and `.size()` for the one that is called on a value. */
export type FunctionTable = Readonly<Record<string, CelFunction>>;

/** An argument that must be a string. @throws CelError */
export function textOf(value: CelValue | undefined): string {
  if (typeof value === "string") return value;
  throw noSuchOverload();
}

/** An argument that must be an int. @throws CelError */
export function intOf(value: CelValue | undefined): bigint {
  if (typeof value === "bigint") return value;
  throw noSuchOverload();
}

/** An argument that must be a list. @throws CelError */
export function listArgument(value: CelValue | undefined): CelList {
  if (value !== undefined && isList(value)) return value;
  throw noSuchOverload();
}

/** The argument at a position; a call always has as many as its signature says. */
export function argument(args: readonly CelValue[], index: number): CelValue {
  const value = args[index];
  if (value === undefined) throw noSuchOverload();
  return value;
}
