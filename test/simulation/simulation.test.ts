import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { PLANTS } from "./planted.ts";
import { type Outcome, runSimulator as sim } from "./run-simulator.ts";

/** Seeds of the continuous suite: each is a cluster of its own with its own faults. */
const SEEDS = Number(process.env["SIM_SEEDS"] ?? 2000);
const SEEDS_PER_TEST = 100;
/** A planted bug must be found among this many seeds; rare ones take most of them. */
const PLANT_SEEDS = 1000;
const regressions = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "seeds.json"), "utf8"),
) as readonly { readonly seed: number; readonly note: string }[];

describe("simulation", () => {
  // All are begun at once, so that every core has work; each test waits for its own.
  let again: Promise<Outcome>[] = [];
  const failedBefore = new Map<number, Promise<Outcome>>();
  const planted = new Map<string, Promise<Outcome>>();
  const ranges = new Map<number, Promise<Outcome>>();
  before(() => {
    again = [1, 2].map(() => sim(["--seed", "7"]));
    for (const { seed } of regressions) failedBefore.set(seed, sim(["--seed", String(seed)]));
    for (const { name, seed } of PLANTS) planted.set(name, find(name, seed));
    for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
      ranges.set(from, sim(["--from", String(from), "--seeds", String(SEEDS_PER_TEST)]));
    }
  });

  it("makes the same history of the same seed, step for step", async () => {
    const [first, second] = await Promise.all(again);
    assert.equal(first?.code, 0, first?.output);
    assert.equal(first.output, second?.output);
  });

  for (const { seed, note } of regressions) {
    it(`holds in seed ${String(seed)}, which once failed: ${note}`, async () => {
      const outcome = await failedBefore.get(seed);
      assert.equal(outcome?.code, 0, outcome?.output);
    });
  }

  for (const { name, breaks } of PLANTS) {
    it(`finds the planted bug ${name} (${breaks})`, async () => {
      const outcome = await planted.get(name);
      assert.equal(outcome?.code, 1, outcome?.output);
      assert.match(outcome.output, /^seed \d+: /m);
    });
  }

  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    it(`holds all invariants in seeds ${String(from)} to ${String(from + SEEDS_PER_TEST - 1)}`, async () => {
      const outcome = await ranges.get(from);
      assert.equal(outcome?.code, 0, outcome?.output);
    });
  }
});

/** First where it was found before: a change of the product changes what becomes of a seed. */
async function find(name: string, seed: number): Promise<Outcome> {
  const outcome = await sim(["--from", String(seed), "--seeds", "1"], name);
  if (outcome.code === 1) return outcome;
  return sim(["--seeds", String(PLANT_SEEDS), "--bail"], name);
}
