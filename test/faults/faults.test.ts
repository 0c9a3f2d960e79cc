import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { MINUTE } from "../../lib/units.ts";
import { differences } from "./load.ts";

/** FAULTS_MINUTES and FAULTS_SEED change how long and which faults. */
const { FAULTS_MINUTES = "5", FAULTS_SEED = "5" } = process.env;

describe("faults at real processes", () => {
  it(`lose, double or reorder nothing acknowledged: seed ${FAULTS_SEED}, ${FAULTS_MINUTES} minutes`, function () {
    // Beyond its time: the start, the last fault's healing and the comparison, each of which has a limit of its own.
    const limit = Number(FAULTS_MINUTES) * MINUTE + 8 * MINUTE;
    this.timeout(limit + MINUTE);
    const program = path.join(import.meta.dirname, "main.ts");
    const { status, signal } = spawnSync(
      process.execPath,
      [program, "--minutes", FAULTS_MINUTES, "--seed", FAULTS_SEED],
      { stdio: "inherit", timeout: limit, killSignal: "SIGKILL" },
    );
    assert.deepEqual({ status, signal }, { status: 0, signal: null });
  });
});

describe("the comparison of a log with what was acknowledged and read", () => {
  const CASES: readonly {
    readonly what: string;
    /** Numbers by offset. */
    readonly log: readonly (readonly [number, number])[];
    readonly acked: readonly number[];
    readonly seen: readonly (readonly [number, number])[];
    readonly wrong: readonly RegExp[];
  }[] = [
    {
      what: "has nothing against gaps, and records that were not acknowledged",
      log: [
        [0, 3],
        [1, 7],
        [5, 11],
      ],
      acked: [3, 11],
      seen: [[1, 7]],
      wrong: [],
    },
    {
      what: "finds what was lost",
      log: [[0, 3]],
      acked: [3, 7, 11],
      seen: [],
      wrong: [/2 acknowledged records lost, the first is 7/],
    },
    {
      what: "finds what is there twice",
      log: [
        [0, 3],
        [1, 7],
        [2, 3],
      ],
      acked: [3, 7],
      seen: [],
      wrong: [/3 is at 0 and at 2/],
    },
    {
      what: "finds another order",
      log: [
        [0, 7],
        [1, 3],
      ],
      acked: [],
      seen: [],
      wrong: [/3 at 1 comes behind 7/],
    },
    {
      what: "finds what a reader was given and is gone",
      log: [[0, 3]],
      acked: [],
      seen: [[1, 7]],
      wrong: [/a reader got 7 at 1, where nothing is now/],
    },
    {
      what: "finds what a reader was given and is another now",
      log: [[0, 3]],
      acked: [],
      seen: [[0, 7]],
      wrong: [/a reader got 7 at 0, where 3 is now/],
    },
  ];
  for (const { what, log, acked, seen, wrong } of CASES) {
    it(what, () => {
      const found = differences(new Map(log), new Set(acked), new Map(seen));
      assert.equal(found.length, wrong.length, found.join("; "));
      for (const [at, pattern] of wrong.entries()) assert.match(found[at] ?? "", pattern);
    });
  }
});
