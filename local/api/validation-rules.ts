import { CelCompileError, CelCostError, CelError } from "./cel/errors.ts";
import { evaluate } from "./cel/evaluator.ts";
import type { Scope } from "./cel/evaluator.ts";
import { celValueOf, withObjectFields } from "./cel/schema-values.ts";
import { Budget } from "./cel/values.ts";
import type { CelValue } from "./cel/values.ts";
import { asObject, deepEqual, isObject } from "./json.ts";
import { ruleProgram } from "./rule-program.ts";
import type { RuleProgram } from "./rule-program.ts";
import { additionalOf, alternatives, propertiesOf } from "./schema.ts";
import type { Schema } from "./schema.ts";
import { correlated } from "./schema-validation.ts";
import type { StatusCause } from "./status-errors.ts";

/** What one rule may cost, and all rules of one write; the API server's limits, in steps of about the same size. */
const MAX_RULE_COST = 1_000_000;
const MAX_OBJECT_COST = 10_000_000;
const MAX_MESSAGE_BYTES = 5 * 1024;

/**
 * Evaluates `x-kubernetes-validations` at every level of the schema (Kubernetes concept "validation rules").
 * @param old the object as it was; undefined on creation
 * @returns the causes of the rules that do not hold, worded as the API server does
 */
export function validateRules(schema: Schema, object: unknown, old: unknown): StatusCause[] {
  const causes: StatusCause[] = [];
  const validation = new RuleValidation(causes);
  validation.visit({ schema, value: object, old, path: "", root: true, unchanged: false });
  return causes;
}

interface Node {
  readonly schema: Schema;
  readonly value: unknown;
  /** The value that this one was before, when the two can be told to be the same. */
  readonly old: unknown;
  readonly path: string;
  readonly root: boolean;
  /** An object around it is as it was, so what is wrong here is no news. */
  readonly unchanged: boolean;
}

/** One walk; it ends early when the budget is used up. */
class RuleValidation {
  readonly #causes: StatusCause[];
  #left = MAX_OBJECT_COST;
  #ended = false;

  constructor(causes: StatusCause[]) {
    this.#causes = causes;
  }

  visit(node: Node): void {
    const { schema, value, old, path } = node;
    if (this.#ended || value === null || value === undefined) return;
    const unchanged = node.unchanged || (old !== undefined && deepEqual(value, old));
    this.#rules({ ...node, unchanged });
    for (const inner of alternatives(schema, "allOf")) {
      this.visit({ ...node, schema: { ...inner, type: schema["type"] }, unchanged: false });
    }
    const inside = { root: false, unchanged };
    if (Array.isArray(value)) {
      const items = asObject(schema["items"]);
      const before = correlated(old, schema);
      value.forEach((item: unknown, i) => {
        const at = `${path}[${String(i)}]`;
        this.visit({ ...inside, schema: items, value: item, old: before(item), path: at });
      });
    } else if (isObject(value)) {
      // The fields of an atomic object are not followed from one state to the next.
      const before = schema["x-kubernetes-map-type"] === "atomic" ? {} : asObject(old);
      const was = (field: string): unknown =>
        Object.hasOwn(before, field) ? before[field] : undefined;
      for (const [field, inner] of Object.entries(propertiesOf(schema))) {
        if (!Object.hasOwn(value, field)) continue;
        const at = path === "" ? field : `${path}.${field}`;
        this.visit({ ...inside, schema: inner, value: value[field], old: was(field), path: at });
      }
      const additional = additionalOf(schema);
      if (additional === undefined) return;
      for (const [field, inner] of Object.entries(value)) {
        const at = `${path}[${field}]`;
        this.visit({ ...inside, schema: additional, value: inner, old: was(field), path: at });
      }
    }
  }

  #rules(node: Node): void {
    const listed = node.schema["x-kubernetes-validations"];
    if (!Array.isArray(listed)) return;
    const schema = node.root ? withObjectFields(node.schema) : node.schema;
    for (const rule of listed) {
      if (!isObject(rule) || this.#ended) continue;
      const program = ruleProgram(rule);
      if (program instanceof CelCompileError) {
        this.#add(node, `rule compile error: ${program.message}`);
      } else this.#rule(program, { ...node, schema });
    }
  }

  #rule(program: RuleProgram, node: Node): void {
    const isFirst = node.old === undefined || node.old === null;
    if (program.usesOldSelf && isFirst && !program.optionalOldSelf) return;
    if (this.#left <= 0) {
      this.#add(node, OUT_OF_BUDGET);
      this.#ended = true;
      return;
    }
    const scope = scopeOf(program, node);
    const budget = new Budget(Math.min(MAX_RULE_COST, this.#left));
    const before = budget.left;
    try {
      const holds = evaluate(program.rule, scope, budget);
      if (holds === true) return;
      if (typeof holds !== "boolean") throw new CelError("no such overload");
      if (node.unchanged && !program.usesOldSelf) return;
      this.#add(
        { ...node, path: node.path + fieldPath(node.path, program.fieldPath) },
        this.#message(program, scope),
        program.reason,
      );
    } catch (error) {
      if (error instanceof CelCostError) {
        this.#ended = true;
        this.#add(
          node,
          `'operation cancelled: ${error.message}': no further validation rules will be run due to call cost ` +
            `exceeds limit for rule: ${program.shown}`,
        );
      } else if (error instanceof CelError) {
        this.#add(
          node,
          error.message.startsWith("no such overload")
            ? `'${error.message}': call arguments did not match a supported operator, function or macro ` +
                `signature for rule: ${program.shown}`
            : `${error.message} evaluating rule: ${program.shown}`,
        );
      } else throw error;
    } finally {
      this.#left -= before - Math.max(0, budget.left);
    }
  }

  /** A message expression that fails or gives nothing usable gives way to the message. */
  #message({ messageExpression, message }: RuleProgram, scope: Scope): string {
    if (messageExpression === undefined) return message;
    const budget = new Budget(Math.min(MAX_RULE_COST, this.#left));
    const before = budget.left;
    try {
      const text = evaluate(messageExpression, scope, budget);
      if (typeof text !== "string") return message;
      const trimmed = text.trim();
      const usable =
        trimmed !== "" &&
        !trimmed.includes("\n") &&
        Buffer.byteLength(trimmed) <= MAX_MESSAGE_BYTES;
      return usable ? trimmed : message;
    } catch (error) {
      if (error instanceof CelError || error instanceof CelCostError) return message;
      throw error;
    } finally {
      this.#left -= before - Math.max(0, budget.left);
    }
  }

  #add({ path, schema, value }: Node, detail: string, reason = ""): void {
    const field = path === "" ? "<nil>" : path;
    // Objects and lists are not shown: they may be large.
    const isLarge = schema["type"] === "object" || schema["type"] === "array";
    const shown = isLarge ? "" : `${JSON.stringify(value)}: `;
    switch (reason) {
      case "FieldValueForbidden":
        this.#causes.push({ reason, field, message: `Forbidden: ${detail}` });
        return;
      case "FieldValueRequired":
        this.#causes.push({ reason, field, message: `Required value: ${detail}` });
        return;
      case "FieldValueDuplicate": {
        const message = isLarge ? "Duplicate value" : `Duplicate value: ${JSON.stringify(value)}`;
        this.#causes.push({ reason, field, message });
        return;
      }
      default:
        this.#causes.push({
          reason: "FieldValueInvalid",
          field,
          message: `Invalid value: ${shown}${detail}`,
        });
    }
  }
}

const OUT_OF_BUDGET =
  "validation failed due to running out of cost budget, no further validation rules will be run";

function scopeOf({ optionalOldSelf }: RuleProgram, { schema, value, old }: Node): Scope {
  // Converted when they are asked for, and so that data which does not fit fails the rule and not the walk.
  let self: CelValue | undefined;
  let before: CelValue | undefined;
  const isFirst = old === undefined || old === null;
  return {
    get: (name) => {
      if (name === "self") return (self ??= celValueOf(value, schema));
      if (name !== "oldSelf") return undefined;
      if (isFirst) return optionalOldSelf ? { kind: "optional" } : undefined;
      before ??= celValueOf(old, schema);
      return optionalOldSelf ? { kind: "optional", value: before } : before;
    },
  };
}

/** At the root a path has no dot before it. */
function fieldPath(path: string, added: string): string {
  return path === "" ? added.replace(/^\./, "") : added;
}
