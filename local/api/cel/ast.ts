import type { Position } from "./errors.ts";

export type BinaryOperator =
  "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in";

export type Literal = null | boolean | bigint | number | string;

/**
 * The macros over a list, or over the keys of a map; `optMap` and `optFlatMap` are over the value of an optional.
 * The maps take their value from `result`.
 */
export type MacroName =
  "all" | "exists" | "exists_one" | "map" | "filter" | "optMap" | "optFlatMap";

/** A parsed expression. `at` is where its operator, name or literal stands. */
export type Expression = { readonly at: Position } & (
  | { readonly kind: "literal"; readonly value: Literal }
  | { readonly kind: "identifier"; readonly name: string }
  /** `optional` for `operand.?field`. */
  | {
      readonly kind: "select";
      readonly operand: Expression;
      readonly field: string;
      readonly optional: boolean;
    }
  /** The macro `has(operand.field)`. */
  | { readonly kind: "has"; readonly operand: Expression; readonly field: string }
  /** `optional` for `operand[?index]`. */
  | {
      readonly kind: "index";
      readonly operand: Expression;
      readonly index: Expression;
      readonly optional: boolean;
    }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly target: Expression | undefined;
      readonly args: readonly Expression[];
    }
  | { readonly kind: "not" | "negate"; readonly operand: Expression }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: "conditional";
      readonly condition: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | {
      readonly kind: "map";
      readonly entries: readonly { readonly key: Expression; readonly value: Expression }[];
    }
  | {
      readonly kind: "macro";
      readonly macro: MacroName;
      readonly range: Expression;
      readonly variable: string;
      /** What the elements are tested with; undefined for a map of all elements. */
      readonly predicate: Expression | undefined;
      /** What becomes of an element; only of the maps. */
      readonly result: Expression | undefined;
    }
);
