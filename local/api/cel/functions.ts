import { CelError, noSuchOverload } from "./errors.ts";
import { conversions } from "./functions/conversions.ts";
import { listFunctions } from "./functions/lists.ts";
import { optionalFunctions } from "./functions/optionals.ts";
import { quantityFunctions } from "./functions/quantities.ts";
import { stringFunctions } from "./functions/strings.ts";
import { timeFunctions } from "./functions/times.ts";
import type { FunctionTable } from "./function-table.ts";
import type { Budget, CelValue } from "./values.ts";

/**
 * The functions of an expression: the standard ones of cel-spec, its string extension, optionals, and those that
 * Kubernetes adds for lists, sets, regular expressions and quantities. Left out: URLs, addresses, named formats, authorizer.
 */
const FUNCTIONS: ReadonlyMap<string, FunctionTable[string]> = new Map(
  [
    conversions,
    listFunctions,
    optionalFunctions,
    quantityFunctions,
    stringFunctions,
    timeFunctions,
  ].flatMap(Object.entries<FunctionTable[string]>),
);

const NAMES: ReadonlySet<string> = new Set(
  [...FUNCTIONS.keys()].map((key) => key.slice(0, key.indexOf("("))),
);

/** Whether there is such a function at all: a global one, `.name` for one called on a value, `ns.name` in a namespace. */
export function isFunction(name: string): boolean {
  return NAMES.has(name);
}

/** Whether `sets` or `optional` stands before a function rather than being a variable. */
export function isNamespace(name: string): boolean {
  return name === "sets" || name === "optional" || name === "strings";
}

/** Whether the function takes so many arguments, the value that it is called on not counted. */
export function takesArguments(name: string, count: number): boolean {
  return FUNCTIONS.has(signature(name, count));
}

/**
 * Calls a function; for one called on a value (`.size`) that value is the first argument.
 * @throws CelError when the arguments do not fit, or by the function itself
 */
export function callFunction(name: string, args: readonly CelValue[], budget: Budget): CelValue {
  const count = name.startsWith(".") ? args.length - 1 : args.length;
  const found = FUNCTIONS.get(signature(name, count));
  if (found === undefined) {
    if (!NAMES.has(name))
      throw new CelError(`undeclared reference to '${name.replace(/^\./, "")}'`);
    throw noSuchOverload();
  }
  return found(args, budget);
}

function signature(name: string, count: number): string {
  return `${name}(${"_".repeat(count)})`;
}
