import { CelCompileError } from "./errors.ts";
import type { Position } from "./errors.ts";

/** A lexical element. `text` of a string is its value, of a number its digits without suffix. */
export interface Token {
  readonly kind: "identifier" | "int" | "double" | "string" | "symbol" | "end";
  readonly text: string;
  readonly at: Position;
}

/** Longer expressions are refused; the API server's limit is of the same order. */
const MAX_SOURCE_LENGTH = 100_000;

const SPACE = /[ \t\r\n\f]+|\/\/[^\n]*/y;
const DOUBLE =
  /(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y;
const INT = /(?:0[xX][0-9a-fA-F]+|[0-9]+)/y;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;
const STRING_START = /([rR])?("""|'''|"|')/y;
const SYMBOL = /(?:==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}])/y;

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "`": "`",
  "?": "?",
};
const CODE_ESCAPE =
  /(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

/** The tokens of an expression, ending with one of kind `end`. @throws CelCompileError */
export function tokenize(source: string): readonly Token[] {
  if (source.length > MAX_SOURCE_LENGTH) {
    throw new CelCompileError("expression code point size exceeds limit", source, 0);
  }
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  while (at < source.length) {
    const space = match(SPACE);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const start = match(STRING_START);
    if (start !== null) {
      const token = stringToken(source, at, start[1] ?? "", start[2] ?? "");
      tokens.push(token.token);
      at = token.end;
      continue;
    }
    const found = match(DOUBLE) ?? match(INT) ?? match(IDENTIFIER) ?? match(SYMBOL);
    if (found === null) {
      const shown = JSON.stringify(String.fromCodePoint(source.codePointAt(at) ?? 0));
      throw new CelCompileError(`Syntax error: token recognition error at: ${shown}`, source, at);
    }
    const text = found[0];
    const first = text.charAt(0);
    const isNumber = /[0-9]/.test(first) || (first === "." && text.length > 1);
    const kind = isNumber
      ? /^0[xX]/.test(text) || /^[0-9]+$/.test(text)
        ? "int"
        : "double"
      : /[A-Za-z_]/.test(first)
        ? "identifier"
        : "symbol";
    const next = source.charAt(at + text.length);
    if (kind === "int" && /[uU]/.test(next)) {
      throw new CelCompileError("unsigned integers are not supported", source, at);
    }
    if (/^[bB][rR]?$|^[rR][bB]$/.test(text) && /["']/.test(next)) {
      throw new CelCompileError("bytes are not supported", source, at);
    }
    tokens.push({ kind, text, at });
    at += text.length;
  }
  tokens.push({ kind: "end", text: "<EOF>", at: source.length });
  return tokens;
}

function stringToken(
  source: string,
  at: Position,
  prefix: string,
  quote: string,
): { token: Token; end: Position } {
  const raw = prefix !== "";
  let position = at + prefix.length + quote.length;
  let text = "";
  for (;;) {
    if (source.startsWith(quote, position)) {
      return { token: { kind: "string", text, at }, end: position + quote.length };
    }
    const character = source.charAt(position);
    if (character === "" || (quote.length === 1 && /[\r\n]/.test(character))) {
      throw new CelCompileError("Syntax error: string is not closed", source, at);
    }
    if (character !== "\\" || raw) {
      text += character;
      position++;
    } else {
      const escape = escapeAt(source, position);
      text += escape.text;
      position += escape.length;
    }
  }
}

function escapeAt(source: string, at: Position): { text: string; length: number } {
  const simple = SIMPLE_ESCAPES[source.charAt(at + 1)];
  if (simple !== undefined) return { text: simple, length: 2 };
  CODE_ESCAPE.lastIndex = at + 1;
  const found = CODE_ESCAPE.exec(source);
  if (found !== null) {
    const octal = found[5];
    const hex = found[1] ?? found[2] ?? found[3] ?? found[4] ?? "";
    const code = octal === undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal, 8);
    const isSurrogate = code >= 0xd800 && code <= 0xdfff;
    if (code <= 0x10ffff && !isSurrogate) {
      return { text: String.fromCodePoint(code), length: 1 + found[0].length };
    }
  }
  throw new CelCompileError("Syntax error: invalid escape in string", source, at);
}
