import { goRegExp } from "../../go-regexp.ts";
import { CelError } from "../errors.ts";
import { argument, intOf, listArgument, textOf } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import { elementsOf, isList, listOf } from "../values.ts";
import type { Budget, CelValue } from "../values.ts";
import { indexInList } from "./lists.ts";
import { formatted } from "./string-format.ts";

/** The standard functions of strings, cel-go's extension for them (version 2) and Kubernetes' regular expressions. */
export const stringFunctions: FunctionTable = {
  ".contains(_)": text((a, b) => a.includes(b)),
  ".endsWith(_)": text((a, b) => a.endsWith(b)),
  ".startsWith(_)": text((a, b) => a.startsWith(b)),
  ".matches(_)": ([value, pattern], budget) => matches(textOf(value), textOf(pattern), budget),
  "matches(__)": ([value, pattern], budget) => matches(textOf(value), textOf(pattern), budget),
  ".find(_)": ([value, pattern], budget) =>
    regExp(textOf(value), textOf(pattern), budget).exec(textOf(value))?.[0] ?? "",
  ".findAll(_)": ([value, pattern], budget) => findAll(textOf(value), textOf(pattern), -1n, budget),
  ".findAll(__)": ([value, pattern, limit], budget) =>
    findAll(textOf(value), textOf(pattern), intOf(limit), budget),
  ".charAt(_)": ([value, index]) => {
    const points = Array.from(textOf(value));
    const at = intOf(index);
    if (at < 0n || at > BigInt(points.length)) throw outOfRange(at);
    return points[Number(at)] ?? "";
  },
  ".format(_)": ([value, values], budget) => formatted(textOf(value), listArgument(values), budget),
  ".indexOf(_)": (args, budget) => indexOf(args, 0n, budget),
  ".indexOf(__)": (args, budget) => indexOf(args, intOf(args[2]), budget),
  ".lastIndexOf(_)": (args, budget) => lastIndexOf(args, undefined, budget),
  ".lastIndexOf(__)": (args, budget) => lastIndexOf(args, intOf(args[2]), budget),
  ".join()": ([list], budget) => joined(list, "", budget),
  ".join(_)": ([list, separator], budget) => joined(list, textOf(separator), budget),
  ".lowerAscii()": mapped((value) => value.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
  ".upperAscii()": mapped((value) => value.replace(/[a-z]+/g, (part) => part.toUpperCase())),
  ".replace(__)": ([value, from, to], budget) => replaced(value, from, to, -1n, budget),
  ".replace(___)": ([value, from, to, count], budget) =>
    replaced(value, from, to, intOf(count), budget),
  ".split(_)": ([value, separator], budget) => split(value, separator, -1n, budget),
  ".split(__)": ([value, separator, limit], budget) =>
    split(value, separator, intOf(limit), budget),
  ".substring(_)": ([value, from]) => substring(textOf(value), intOf(from), undefined),
  ".substring(__)": ([value, from, to]) => substring(textOf(value), intOf(from), intOf(to)),
  // White space of Unicode, as Go trims it: without the byte order mark that JavaScript trims too.
  ".trim()": mapped((value) =>
    value.replace(/^[\s\u0085]+|[\s\u0085]+$/gu, (part) => part.replace(/[^\uFEFF]/gu, "")),
  ),
  "strings.quote(_)": mapped(quoted),
};

function text(holds: (a: string, b: string) => boolean): FunctionTable[string] {
  return ([a, b], budget) => {
    const [first, second] = [textOf(a), textOf(b)];
    budget.spend(first.length / 10);
    return holds(first, second);
  };
}

function mapped(change: (value: string) => string): FunctionTable[string] {
  return ([value], budget) => {
    const given = textOf(value);
    budget.spend(given.length / 10);
    return change(given);
  };
}

/** @throws CelError for what is no pattern of RE2 */
function regExp(value: string, pattern: string, budget: Budget): RegExp {
  // The cost of a match is about that of each character of the one at each of the other, as in the API server.
  budget.spend((1 + value.length / 10) * Math.max(1, pattern.length / 4));
  try {
    return goRegExp(pattern);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CelError(`error parsing regexp: ${why}`);
  }
}

function matches(value: string, pattern: string, budget: Budget): boolean {
  return regExp(value, pattern, budget).test(value);
}

function findAll(value: string, pattern: string, limit: bigint, budget: Budget): CelValue {
  const each = new RegExp(regExp(value, pattern, budget), "gu");
  const found = Array.from(value.matchAll(each), ([part]) => part);
  return listOf(limit < 0n ? found : found.slice(0, Number(limit)));
}

function indexOf(args: readonly CelValue[], from: bigint, budget: Budget): bigint {
  const target = argument(args, 0);
  if (isList(target) && args.length === 2) {
    return indexInList(target, argument(args, 1), "first", budget);
  }
  const [points, wanted] = [Array.from(textOf(target)), Array.from(textOf(args[1]))];
  budget.spend(points.length / 10);
  if (wanted.length === 0) return from;
  if (from < 0n || from > BigInt(points.length)) throw outOfRange(from);
  for (let at = Number(from); at + wanted.length <= points.length; at++) {
    if (wanted.every((point, i) => points[at + i] === point)) return BigInt(at);
  }
  return -1n;
}

function lastIndexOf(args: readonly CelValue[], from: bigint | undefined, budget: Budget): bigint {
  const target = argument(args, 0);
  if (isList(target) && args.length === 2) {
    return indexInList(target, argument(args, 1), "last", budget);
  }
  const [points, wanted] = [Array.from(textOf(target)), Array.from(textOf(args[1]))];
  budget.spend(points.length / 10);
  if (wanted.length === 0) return from ?? BigInt(points.length);
  if (from !== undefined && (from < 0n || from >= BigInt(points.length))) throw outOfRange(from);
  const last = Math.min(Number(from ?? points.length), points.length - wanted.length);
  for (let at = last; at >= 0; at--) {
    if (wanted.every((point, i) => points[at + i] === point)) return BigInt(at);
  }
  return -1n;
}

function joined(list: CelValue | undefined, separator: string, budget: Budget): string {
  const parts: string[] = [];
  for (const element of elementsOf(listArgument(list), budget)) {
    if (typeof element !== "string") throw new CelError("join: invalid input");
    budget.spend(element.length / 10);
    parts.push(element);
  }
  return parts.join(separator);
}

function replaced(
  value: CelValue | undefined,
  from: CelValue | undefined,
  to: CelValue | undefined,
  count: bigint,
  budget: Budget,
): string {
  const parts = splitText(textOf(value), textOf(from), count < 0n ? -1 : Number(count) + 1);
  const ends = textOf(from) === "";
  const result = ends ? interleaved(textOf(value), textOf(to), count) : parts.join(textOf(to));
  budget.spend((textOf(value).length + result.length) / 10);
  return result;
}

/** An empty text stands before every character and at the end. */
function interleaved(value: string, to: string, count: bigint): string {
  const points = Array.from(value);
  let left = count < 0n ? BigInt(points.length + 1) : count;
  let result = "";
  for (const point of points) result += left-- > 0n ? to + point : point;
  return left > 0n ? result + to : result;
}

function split(
  value: CelValue | undefined,
  separator: CelValue | undefined,
  limit: bigint,
  budget: Budget,
): CelValue {
  const given = textOf(value);
  budget.spend(given.length / 10);
  if (limit === 0n) return listOf([]);
  return listOf(splitText(given, textOf(separator), limit < 0n ? -1 : Number(limit)));
}

/** At most `limit` parts, the last of which is all that is left. */
function splitText(value: string, separator: string, limit: number): string[] {
  const parts = separator === "" ? Array.from(value) : value.split(separator);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

function substring(value: string, from: bigint, to: bigint | undefined): string {
  const points = Array.from(value);
  const size = BigInt(points.length);
  if (to !== undefined && from > to) {
    throw new CelError(`invalid substring range. start: ${String(from)}, end: ${String(to)}`);
  }
  if (from < 0n || from > size) throw outOfRange(from);
  if (to !== undefined && (to < 0n || to > size)) throw outOfRange(to);
  return points.slice(Number(from), to === undefined ? undefined : Number(to)).join("");
}

function outOfRange(index: bigint): CelError {
  return new CelError(`index out of range: ${String(index)}`);
}

const QUOTED: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** The text as a literal that is safe to print. */
function quoted(value: string): string {
  return `"${value.replace(/[\p{Cc}\\"]/gu, (character) => QUOTED[character] ?? character)}"`;
}
