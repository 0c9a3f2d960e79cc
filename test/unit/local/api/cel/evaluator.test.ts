import assert from "node:assert/strict";
import { CelCompileError, CelCostError, CelError } from "../../../../../local/api/cel/errors.ts";
import { evaluate } from "../../../../../local/api/cel/evaluator.ts";
import { doubleText } from "../../../../../local/api/cel/functions/conversions.ts";
import { parseExpression } from "../../../../../local/api/cel/parser.ts";
import { Budget } from "../../../../../local/api/cel/values.ts";
import type { CelValue } from "../../../../../local/api/cel/values.ts";
import { expressions, refused } from "./expressions.ts";

const noVariables = { get: () => undefined };

/** A value as a literal. */
function shown(value: CelValue): string {
  switch (typeof value) {
    case "number":
      return Number.isInteger(value) ? `${String(value)}.0` : doubleText(value);
    case "string":
      return JSON.stringify(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  if (value === null) return "null";
  switch (value.kind) {
    case "list":
      return `[${Array.from({ length: value.size }, (_, i) => shown(value.at(i))).join(", ")}]`;
    case "map": {
      const entries = value.keys.map((key) => `${shown(key)}: ${shown(value.get(key) ?? null)}`);
      return `{${entries.join(", ")}}`;
    }
    default:
      return value.kind;
  }
}

function result(source: string): string {
  try {
    return shown(evaluate(parseExpression(source), noVariables, new Budget(10_000)));
  } catch (error) {
    if (error instanceof CelError) return `error: ${error.message}`;
    throw error;
  }
}

describe("CEL", () => {
  for (const [group, cases] of Object.entries(expressions)) {
    describe(group, () => {
      for (const [source, expected] of cases) {
        it(`${source} is ${expected}`, () => {
          const actual = result(source);
          if (!expected.startsWith("error")) assert.equal(actual, expected);
          else assert.ok(actual.startsWith(expected), `${actual}, not ${expected}`);
        });
      }
    });
  }

  describe("refuses", () => {
    for (const [source, reason] of refused) {
      it(JSON.stringify(source), () => {
        assert.throws(
          () => parseExpression(source),
          (error: unknown) => error instanceof CelCompileError && error.message.includes(reason),
        );
      });
    }

    it("nesting that is too deep", () => {
      const nested = `${"(".repeat(300)}1${")".repeat(300)}`;
      assert.throws(() => parseExpression(nested), /recursion limit exceeded/);
    });

    it("nothing of a long chain of && and ||", () => {
      const chain = Array.from({ length: 5_000 }, () => "true").join(" && ");
      assert.equal(evaluate(parseExpression(chain), noVariables, new Budget(100_000)), true);
    });
  });

  describe("cost", () => {
    it("ends what takes too many steps, and nothing absorbs that", () => {
      const many = `[${Array.from({ length: 50 }, () => "1").join(",")}]`;
      const source = `true || ${many}.all(a, ${many}.all(b, ${many}.all(c, a == b && b == c)))`;
      assert.equal(evaluate(parseExpression(source), noVariables, new Budget(1_000)), true);
      const other = parseExpression(source.replace("true", "false"));
      assert.throws(() => evaluate(other, noVariables, new Budget(1_000)), CelCostError);
    });

    it("grows with the size of the strings", () => {
      const scope = { get: () => "a".repeat(100_000) };
      const equal = parseExpression("self == self");
      assert.throws(() => evaluate(equal, scope, new Budget(1_000)), CelCostError);
      assert.equal(evaluate(equal, scope, new Budget(100_000)), true);
    });
  });
});
