import assert from "node:assert/strict";
import { failover, VARIANTS } from "../../bench/scenarios/failover.ts";
import { SECOND } from "../../lib/units.ts";

/** The scenarios of `npm run bench -- failover`, with fewer rounds and for safety alone: here nothing is timed. */
const CASES: Readonly<Record<string, { readonly rounds: number; readonly frozenMs?: number }>> = {
  kill: { rounds: 4 },
  stop: { rounds: 1, frozenMs: 6 * SECOND },
  controller: { rounds: 2 },
  rolling: { rounds: 1 },
  all: { rounds: 2 },
  api: { rounds: 1, frozenMs: 15 * SECOND },
};

describe("failover", () => {
  for (const [name, { what }] of Object.entries(VARIANTS)) {
    it(`neither loses, doubles nor reorders an acknowledged record when ${what}`, async () => {
      const options = CASES[name];
      assert.ok(options, "every variant has its case");
      const { verdict } = await failover(name, options);
      const { acknowledged, lost, duplicated, outOfOrder } = verdict;
      assert.ok(acknowledged > 0);
      const wrong = { lost, duplicated, outOfOrder };
      assert.deepEqual(wrong, { lost: 0, duplicated: 0, outOfOrder: 0 });
    });
  }
});
