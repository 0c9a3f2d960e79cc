import type { Expression } from "./cel/ast.ts";
import { referencesOf } from "./cel/references.ts";
import { CelCompileError } from "./cel/errors.ts";
import { parseExpression } from "./cel/parser.ts";
import type { JsonObject } from "./json.ts";

/** One rule of `x-kubernetes-validations`, parsed. */
export interface RuleProgram {
  readonly rule: Expression;
  readonly messageExpression: Expression | undefined;
  /** Compares with the object as it was, and so is evaluated only on updates. */
  readonly usesOldSelf: boolean;
  /** `oldSelf` is an optional, absent on creation, and the rule is evaluated then too. */
  readonly optionalOldSelf: boolean;
  /** How the rule is named in errors: its message, else its text. */
  readonly shown: string;
  readonly message: string;
  readonly reason: string;
  /** Appended to the path of the field, with its leading dot; "" for none. */
  readonly fieldPath: string;
}

const VARIABLES = new Set(["self", "oldSelf"]);

const programs = new WeakMap<JsonObject, RuleProgram | CelCompileError>();

/** The program of a rule; a schema never changes, so it is parsed once. Or why there is none. */
export function ruleProgram(rule: JsonObject): RuleProgram | CelCompileError {
  const before = programs.get(rule);
  if (before !== undefined) return before;
  let program: RuleProgram | CelCompileError;
  try {
    program = compile(rule);
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    program = error;
  }
  programs.set(rule, program);
  return program;
}

/** @throws CelCompileError */
export function compileExpression(source: string): Expression {
  const expression = parseExpression(source);
  const { undeclared } = referencesOf(expression, VARIABLES);
  const [first] = undeclared;
  if (first === undefined) return expression;
  const reason = `undeclared reference to '${first.name}' (in container '')`;
  throw new CelCompileError(reason, source, first.at);
}

function compile(rule: JsonObject): RuleProgram {
  const text = (name: string): string => {
    const value = rule[name];
    return typeof value === "string" ? value : "";
  };
  const expression = compileExpression(text("rule"));
  const messageExpression = text("messageExpression");
  const message = text("message").trim();
  const shown = message === "" ? text("rule").trim() : message;
  return {
    rule: expression,
    messageExpression: messageExpression === "" ? undefined : compileExpression(messageExpression),
    usesOldSelf: referencesOf(expression, VARIABLES).used.has("oldSelf"),
    optionalOldSelf: rule["optionalOldSelf"] === true,
    shown,
    message: message === "" ? `failed rule: ${shown}` : message,
    reason: text("reason"),
    fieldPath: normalPath(text("fieldPath")),
  };
}

/** `.a['b.c']` with all of it in the form that errors use. */
function normalPath(path: string): string {
  return path.replace(/\['((?:[^'\\]|\\.)*)'\]/g, (_, name: string) =>
    /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${name}]`,
  );
}
