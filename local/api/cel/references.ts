import type { Expression } from "./ast.ts";
import type { Position } from "./errors.ts";
import { TYPE_NAMES } from "./evaluator.ts";
import { isFunction, isNamespace } from "./functions.ts";

export interface References {
  /** The variables of those given that are used. */
  readonly used: ReadonlySet<string>;
  /** Names of neither variables nor functions, in the order in which they stand. */
  readonly undeclared: readonly { readonly name: string; readonly at: Position }[];
}

/** What an expression refers to, apart from the variables of its own macros. */
export function referencesOf(expression: Expression, variables: ReadonlySet<string>): References {
  const used = new Set<string>();
  const undeclared: { name: string; at: Position }[] = [];
  const visit = (node: Expression, bound: ReadonlySet<string>): void => {
    switch (node.kind) {
      case "literal":
        return;
      case "identifier":
        if (bound.has(node.name)) return;
        if (variables.has(node.name)) used.add(node.name);
        else if (!TYPE_NAMES.has(node.name)) undeclared.push({ name: node.name, at: node.at });
        return;
      case "select":
      case "has":
      case "not":
      case "negate":
        visit(node.operand, bound);
        return;
      case "index":
        visit(node.operand, bound);
        visit(node.index, bound);
        return;
      case "call": {
        const prefix = node.target?.kind === "identifier" ? node.target.name : "";
        const inNamespace = isNamespace(prefix) && !bound.has(prefix) && !variables.has(prefix);
        if (node.target !== undefined && !inNamespace) visit(node.target, bound);
        const name = inNamespace
          ? `${prefix}.${node.name}`
          : node.target === undefined
            ? node.name
            : `.${node.name}`;
        if (!isFunction(name)) undeclared.push({ name: node.name, at: node.at });
        for (const each of node.args) visit(each, bound);
        return;
      }
      case "binary":
      case "and":
      case "or":
        visit(node.left, bound);
        visit(node.right, bound);
        return;
      case "conditional":
        visit(node.condition, bound);
        visit(node.then, bound);
        visit(node.otherwise, bound);
        return;
      case "list":
        for (const item of node.items) visit(item, bound);
        return;
      case "map":
        for (const { key, value } of node.entries) {
          visit(key, bound);
          visit(value, bound);
        }
        return;
      case "macro": {
        visit(node.range, bound);
        const inner = new Set([...bound, node.variable]);
        if (node.predicate !== undefined) visit(node.predicate, inner);
        if (node.result !== undefined) visit(node.result, inner);
      }
    }
  };
  visit(expression, new Set());
  return { used, undeclared };
}
