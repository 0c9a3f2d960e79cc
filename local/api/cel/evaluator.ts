import {
  addValues,
  divideValues,
  moduloValues,
  multiplyValues,
  negateValue,
  subtractValues,
} from "./arithmetic.ts";
import type { BinaryOperator, Expression } from "./ast.ts";
import { CelError, noSuchOverload } from "./errors.ts";
import { callFunction, isNamespace } from "./functions.ts";
import { optionalOf } from "./functions/optionals.ts";
import {
  compare,
  contains,
  elementsOf,
  equals,
  isList,
  isMap,
  listOf,
  mapOf,
  typeNameOf,
  wholeKey,
} from "./values.ts";
import type { Budget, CelList, CelType, CelValue } from "./values.ts";

/** What names stand for; an inner scope hides the names of the outer. */
export interface Scope {
  get(name: string): CelValue | undefined;
}

type Select = Extract<Expression, { kind: "select" }>;
type Index = Extract<Expression, { kind: "index" }>;
type Call = Extract<Expression, { kind: "call" }>;
type Macro = Extract<Expression, { kind: "macro" }>;
type Logical = Extract<Expression, { kind: "and" | "or" }>;

/** Names that stand for a type, as in `type(self) == string`. */
export const TYPE_NAMES: ReadonlyMap<string, CelType> = new Map(
  ["bool", "double", "int", "list", "map", "null_type", "string", "type"].map((name) => [
    name,
    { kind: "type", name },
  ]),
);

/**
 * The value of an expression (cel-spec, language definition). Each step is taken off the budget.
 * @throws CelError when it has none, CelCostError when the budget is used up
 */
export function evaluate(expression: Expression, scope: Scope, budget: Budget): CelValue {
  budget.spend(1);
  const value = (inner: Expression): CelValue => evaluate(inner, scope, budget);
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "identifier": {
      const { name } = expression;
      const variable = scope.get(name);
      // A variable may hold null.
      const found = variable === undefined ? TYPE_NAMES.get(name) : variable;
      if (found === undefined) throw new CelError(`undeclared reference to '${name}'`);
      return found;
    }
    case "select":
      return select(expression, value(expression.operand));
    case "has":
      return has(value(expression.operand), expression.field);
    case "index":
      return index(expression, value(expression.operand), value(expression.index));
    case "call":
      return call(expression, scope, budget);
    case "not": {
      const operand = value(expression.operand);
      if (typeof operand !== "boolean") throw noSuchOverload();
      return !operand;
    }
    case "negate":
      return negateValue(value(expression.operand));
    case "binary":
      return binary(expression.operator, value(expression.left), value(expression.right), budget);
    case "and":
    case "or":
      return logical(expression, scope, budget);
    case "conditional": {
      const condition = value(expression.condition);
      if (typeof condition !== "boolean") throw noSuchOverload();
      return value(condition ? expression.then : expression.otherwise);
    }
    case "list":
      return listOf(expression.items.map(value));
    case "map":
      return mapOf(expression.entries.map((entry) => [value(entry.key), value(entry.value)]));
    case "macro":
      return macro(expression, scope, budget);
  }
}

function select({ field, optional }: Select, operand: CelValue): CelValue {
  // Selection from an optional is of what it holds, and gives an optional again.
  if (typeof operand === "object" && operand?.kind === "optional") {
    if (operand.value === undefined) return operand;
    return optionalResult(fieldOf(operand.value, field));
  }
  const found = fieldOf(operand, field);
  if (optional) return optionalResult(found);
  if (found === undefined) throw new CelError(`no such key: ${field}`);
  return found;
}

function fieldOf(operand: CelValue, field: string): CelValue | undefined {
  if (!isMap(operand)) throw noSuchOverload();
  return operand.get(field);
}

function has(operand: CelValue, field: string): boolean {
  if (typeof operand === "object" && operand?.kind === "optional") {
    return operand.value !== undefined && fieldOf(operand.value, field) !== undefined;
  }
  return fieldOf(operand, field) !== undefined;
}

function optionalResult(value: CelValue | undefined): CelValue {
  return value === undefined ? { kind: "optional" } : { kind: "optional", value };
}

function index({ optional }: Index, operand: CelValue, key: CelValue): CelValue {
  if (typeof operand === "object" && operand?.kind === "optional") {
    return operand.value === undefined ? operand : optionalResult(elementOf(operand.value, key));
  }
  const found = elementOf(operand, key);
  if (optional) return optionalResult(found);
  if (found !== undefined) return found;
  const text = typeof key === "string" || typeof key === "bigint" ? String(key) : typeNameOf(key);
  throw new CelError(isList(operand) ? `index out of bounds: ${text}` : `no such key: ${text}`);
}

function elementOf(operand: CelValue, given: CelValue): CelValue | undefined {
  if (isMap(operand)) return operand.get(given);
  if (!isList(operand)) throw noSuchOverload();
  const key = wholeKey(given);
  if (typeof key !== "bigint") {
    throw new CelError(`unsupported index type '${typeNameOf(given)}' in list`);
  }
  return key >= 0n && key < BigInt(operand.size) ? operand.at(Number(key)) : undefined;
}

function call({ name, target, args }: Call, scope: Scope, budget: Budget): CelValue {
  const values = (): CelValue[] => args.map((each) => evaluate(each, scope, budget));
  if (target === undefined) return callFunction(name, values(), budget);
  const isPrefix = target.kind === "identifier" && isNamespace(target.name);
  if (isPrefix && scope.get(target.name) === undefined) {
    return callFunction(`${target.name}.${name}`, values(), budget);
  }
  return callFunction(`.${name}`, [evaluate(target, scope, budget), ...values()], budget);
}

function binary(
  operator: BinaryOperator,
  left: CelValue,
  right: CelValue,
  budget: Budget,
): CelValue {
  switch (operator) {
    case "+":
      return addValues(left, right, budget);
    case "-":
      return subtractValues(left, right);
    case "*":
      return multiplyValues(left, right);
    case "/":
      return divideValues(left, right);
    case "%":
      return moduloValues(left, right);
    case "==":
      return equals(left, right, budget);
    case "!=":
      return !equals(left, right, budget);
    case "in":
      return contains(right, left, budget);
    case "<":
      return compare(left, right, budget) < 0;
    case "<=":
      return compare(left, right, budget) <= 0;
    case ">":
      return compare(left, right, budget) > 0;
    case ">=":
      return compare(left, right, budget) >= 0;
  }
}

/** An error of one side does not count when the other side decides. */
function logical(expression: Logical, scope: Scope, budget: Budget): boolean {
  const deciding = expression.kind === "or";
  const side = (inner: Expression): boolean | CelError => truth(inner, scope, budget);
  const left = side(expression.left);
  if (left === deciding) return deciding;
  const right = side(expression.right);
  if (right === deciding) return deciding;
  if (left instanceof CelError) throw left;
  if (right instanceof CelError) throw right;
  return !deciding;
}

/** A boolean, or the error in its place. */
function truth(expression: Expression, scope: Scope, budget: Budget): boolean | CelError {
  try {
    const value = evaluate(expression, scope, budget);
    return typeof value === "boolean" ? value : noSuchOverload();
  } catch (error) {
    if (error instanceof CelError) return error;
    throw error;
  }
}

function macro(expression: Macro, scope: Scope, budget: Budget): CelValue {
  const { macro: name, variable, predicate, result } = expression;
  const range = evaluate(expression.range, scope, budget);
  const within = (element: CelValue): Scope => ({
    get: (wanted) => (wanted === variable ? element : scope.get(wanted)),
  });
  const mapped = (element: CelValue): CelValue =>
    result === undefined ? element : evaluate(result, within(element), budget);
  const holds = (element: CelValue): boolean | CelError =>
    predicate === undefined ? true : truth(predicate, within(element), budget);
  const strictly = (element: CelValue): boolean => {
    const held = holds(element);
    if (held instanceof CelError) throw held;
    return held;
  };
  switch (name) {
    case "all":
    case "exists": {
      const deciding = name === "exists";
      let error: CelError | undefined;
      for (const element of rangeOf(range, budget)) {
        const held = holds(element);
        if (held === deciding) return deciding;
        if (held instanceof CelError) error ??= held;
      }
      if (error !== undefined) throw error;
      return !deciding;
    }
    case "exists_one": {
      let count = 0;
      for (const element of rangeOf(range, budget)) if (strictly(element)) count++;
      return count === 1;
    }
    case "filter":
    case "map": {
      const items: CelValue[] = [];
      for (const element of rangeOf(range, budget)) {
        if (strictly(element)) items.push(mapped(element));
      }
      return listOf(items);
    }
    case "optMap":
    case "optFlatMap": {
      const { value } = optionalOf(range);
      if (value === undefined) return { kind: "optional" };
      const next = mapped(value);
      return name === "optMap" ? { kind: "optional", value: next } : optionalOf(next);
    }
  }
}

/** The elements of a list, or the keys of a map. */
function rangeOf(range: CelValue, budget: Budget): Iterable<CelValue> {
  const list: CelList | undefined = isMap(range)
    ? listOf(range.keys)
    : isList(range)
      ? range
      : undefined;
  if (list === undefined) throw noSuchOverload();
  return elementsOf(list, budget);
}
