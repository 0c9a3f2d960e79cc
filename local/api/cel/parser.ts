import type { BinaryOperator, Expression, MacroName } from "./ast.ts";
import { CelCompileError } from "./errors.ts";
import type { Position } from "./errors.ts";
import { tokenize } from "./lexer.ts";
import type { Token } from "./lexer.ts";

/** Nesting of an expression, as in cel-go. */
const MAX_DEPTH = 250;
const MAX_INT = 2n ** 63n - 1n;

/** Words that are no identifiers of variables; as fields they must be escaped (`__in__`) in Kubernetes. */
const RESERVED = new Set(
  (
    "as break const continue else for function if import let loop package namespace return " +
    "var void while"
  ).split(" "),
);
const MACROS: ReadonlySet<string> = new Set([
  "all",
  "exists",
  "exists_one",
  "map",
  "filter",
  "optMap",
  "optFlatMap",
]);
/** Macros whose last argument is what becomes of an element. */
const MAPS: ReadonlySet<string> = new Set(["map", "optMap", "optFlatMap"]);
const LITERALS = new Map<string, null | boolean>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const RELATIONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">=", "in"]);
const ADDITIONS: ReadonlySet<string> = new Set(["+", "-"]);
const MULTIPLICATIONS: ReadonlySet<string> = new Set(["*", "/", "%"]);

/**
 * Parses a CEL expression (the language definition of cel-spec with optional selection, without unsigned integers, bytes,
 * messages and macros over two variables). @throws CelCompileError
 */
export function parseExpression(source: string): Expression {
  return new Parser(source).parse();
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = tokenize(source);
  }

  parse(): Expression {
    const expression = this.#expression();
    if (this.#next.kind !== "end") this.#unexpected();
    return expression;
  }

  #expression(): Expression {
    if (++this.#depth > MAX_DEPTH) {
      this.#fail("expression recursion limit exceeded", this.#next.at);
    }
    const condition = this.#or();
    const { at } = this.#next;
    let result = condition;
    if (this.#takes("?")) {
      const then = this.#or();
      this.#expect(":");
      result = { kind: "conditional", condition, then, otherwise: this.#expression(), at };
    }
    this.#depth--;
    return result;
  }

  #or(): Expression {
    return this.#logical("or", "||", () => this.#logical("and", "&&", () => this.#relation()));
  }

  /** A chain is split in halves, so that its depth grows with the logarithm of its length. */
  #logical(kind: "and" | "or", symbol: string, operand: () => Expression): Expression {
    const operands = [operand()];
    const places: Position[] = [];
    for (let { at } = this.#next; this.#takes(symbol); { at } = this.#next) {
      places.push(at);
      operands.push(operand());
    }
    const balanced = (from: number, to: number): Expression => {
      const first = operands[from];
      if (first === undefined) throw new RangeError("no operand");
      if (from === to) return first;
      const middle = Math.floor((from + to) / 2);
      const at = places[middle] ?? first.at;
      return { kind, left: balanced(from, middle), right: balanced(middle + 1, to), at };
    };
    return balanced(0, operands.length - 1);
  }

  #relation(): Expression {
    return this.#binary(RELATIONS, () =>
      this.#binary(ADDITIONS, () => this.#binary(MULTIPLICATIONS, () => this.#unary())),
    );
  }

  #binary(operators: ReadonlySet<string>, operand: () => Expression): Expression {
    let left = operand();
    let length = 0;
    for (;;) {
      const token = this.#next;
      const isWord = token.kind === "identifier" && token.text === "in";
      if ((token.kind !== "symbol" && !isWord) || !operators.has(token.text)) return left;
      if (++length > MAX_DEPTH) this.#fail("expression recursion limit exceeded", token.at);
      this.#position++;
      const operator = token.text as BinaryOperator;
      left = { kind: "binary", operator, left, right: operand(), at: token.at };
    }
  }

  #unary(): Expression {
    const { at } = this.#next;
    for (const [symbol, kind] of [
      ["!", "not"],
      ["-", "negate"],
    ] as const) {
      let count = 0;
      while (this.#takes(symbol)) count++;
      if (count === 0) continue;
      // A minus belongs to the literal: the smallest int has no positive counterpart.
      const number = this.#next;
      if (kind === "negate" && (number.kind === "int" || number.kind === "double")) {
        this.#position++;
        const value = this.#number(number, true);
        const literal = this.#members({ kind: "literal", value, at });
        return count % 2 === 1 ? literal : { kind: "negate", operand: literal, at };
      }
      const operand = this.#members(this.#primary());
      return count % 2 === 1 ? { kind, operand, at } : { kind, operand: { kind, operand, at }, at };
    }
    return this.#members(this.#primary());
  }

  #members(primary: Expression): Expression {
    let operand = primary;
    let length = 0;
    for (;;) {
      const { at } = this.#next;
      if (this.#takes(".")) {
        const optional = this.#takes("?");
        const name = this.#identifier();
        operand =
          this.#isSymbol("(") && !optional
            ? this.#methodCall(operand, name)
            : { kind: "select", operand, field: name.text, optional, at };
      } else if (this.#takes("[")) {
        const optional = this.#takes("?");
        const index = this.#expression();
        this.#expect("]");
        operand = { kind: "index", operand, index, optional, at };
      } else return operand;
      if (++length > MAX_DEPTH) this.#fail("expression recursion limit exceeded", at);
    }
  }

  #primary(): Expression {
    const token = this.#next;
    const { at } = token;
    switch (token.kind) {
      case "int":
      case "double":
        this.#position++;
        return { kind: "literal", value: this.#number(token, false), at };
      case "string":
        this.#position++;
        return { kind: "literal", value: token.text, at };
      case "identifier":
        return this.#named();
      case "symbol":
        if (this.#takes("(")) {
          const inner = this.#expression();
          this.#expect(")");
          return inner;
        }
        if (this.#takes("[")) return { kind: "list", items: this.#list("]"), at };
        if (this.#takes("{")) return { kind: "map", entries: this.#entries(), at };
        return this.#unexpected();
      case "end":
        return this.#unexpected();
    }
  }

  #named(): Expression {
    const token = this.#identifier();
    const { text: name, at } = token;
    const literal = LITERALS.get(name);
    if (literal !== undefined) return { kind: "literal", value: literal, at };
    if (RESERVED.has(name)) this.#fail(`Syntax error: reserved identifier: ${name}`, at);
    if (name === "in") this.#fail("Syntax error: mismatched input 'in'", at);
    if (this.#isSymbol("{")) this.#fail("messages are not supported", at);
    if (!this.#takes("(")) return { kind: "identifier", name, at };
    const args = this.#list(")");
    if (name !== "has") return { kind: "call", name, target: undefined, args, at };
    const [field] = args;
    if (args.length !== 1 || field?.kind !== "select" || field.optional) {
      return this.#fail("invalid argument to has() macro", at);
    }
    return { kind: "has", operand: field.operand, field: field.field, at };
  }

  #methodCall(target: Expression, { text: name, at }: Token): Expression {
    this.#expect("(");
    const args = this.#list(")");
    const [variable, ...rest] = args;
    const isMacro =
      MACROS.has(name) && (args.length === 2 || (name === "map" && args.length === 3));
    if (!isMacro) return { kind: "call", name, target, args, at };
    if (variable?.kind !== "identifier") {
      return this.#fail("argument must be a simple name", variable?.at ?? at);
    }
    const mapped = MAPS.has(name) ? rest.at(-1) : undefined;
    return {
      kind: "macro",
      macro: name as MacroName,
      range: target,
      variable: variable.name,
      predicate: !MAPS.has(name) || rest.length === 2 ? rest[0] : undefined,
      result: mapped,
      at,
    };
  }

  /** Expressions up to the closing symbol. */
  #list(close: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#takes(close)) {
      if (items.length > 0) this.#expect(",");
      // A list literal may end with a comma; the arguments of a call may not.
      if (close === "]" && items.length > 0 && this.#takes(close)) break;
      items.push(this.#expression());
    }
    return items;
  }

  #entries(): { key: Expression; value: Expression }[] {
    const entries: { key: Expression; value: Expression }[] = [];
    while (!this.#takes("}")) {
      if (entries.length > 0) this.#expect(",");
      if (entries.length > 0 && this.#takes("}")) break;
      const key = this.#expression();
      this.#expect(":");
      entries.push({ key, value: this.#expression() });
    }
    return entries;
  }

  #number({ kind, text, at }: Token, negative: boolean): bigint | number {
    if (kind === "double") return negative ? -Number(text) : Number(text);
    const value = negative ? -BigInt(text) : BigInt(text);
    if (value > MAX_INT || value < -MAX_INT - 1n) this.#fail("invalid int literal", at);
    return value;
  }

  #identifier(): Token {
    const token = this.#next;
    if (token.kind !== "identifier") return this.#unexpected();
    this.#position++;
    return token;
  }

  get #next(): Token {
    const token = this.#tokens[Math.min(this.#position, this.#tokens.length - 1)];
    if (token === undefined) throw new RangeError("an expression has at least its end");
    return token;
  }

  #isSymbol(symbol: string): boolean {
    return this.#next.kind === "symbol" && this.#next.text === symbol;
  }

  #takes(symbol: string): boolean {
    if (!this.#isSymbol(symbol)) return false;
    this.#position++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#takes(symbol)) this.#unexpected(`expecting '${symbol}'`);
  }

  #unexpected(expecting = "expecting an expression or an operator"): never {
    const { text, at } = this.#next;
    return this.#fail(`Syntax error: mismatched input '${text}' ${expecting}`, at);
  }

  #fail(reason: string, at: Position): never {
    throw new CelCompileError(reason, this.#source, at);
  }
}
