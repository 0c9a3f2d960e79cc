import assert from "node:assert/strict";
import { LocalCluster } from "../support/local-cluster.ts";
import { lacks, needs } from "../support/tools.ts";
import { libraries } from "./suite/libraries.ts";
import { mapLimited } from "./suite/map-limited.ts";
import { runLibrary } from "./suite/run-library.ts";
import { type Outcome, type Scenario, scenarios } from "./suite/scenarios.ts";

/** Most of a client's time is waiting: three at once keep two cores busy. */
const AT_ONCE = 3;

describe("clients against three brokers", () => {
  let cluster: LocalCluster;
  const runs = new Map<string, Promise<ReadonlyMap<Scenario, Outcome>>>();

  before(async () => {
    cluster = await LocalCluster.start(3);
    const present = libraries.filter(({ tools }) => lacks(...tools).length === 0);
    const started = mapLimited(present, AT_ONCE, (library) =>
      runLibrary(library, cluster.bootstrap, library.name.replaceAll(/[^a-z]/gi, "-")),
    );
    present.forEach(({ name }, at) => {
      const run = started[at];
      assert(run !== undefined);
      // It is looked at later, by the tests of its library.
      run.catch(() => undefined);
      runs.set(name, run);
    });
  });

  after(async () => {
    await Promise.allSettled(runs.values());
    await cluster.remove();
  });

  for (const { name, version, tools, notInApi } of libraries) {
    describe(`${name} ${version}`, () => {
      for (const scenario of scenarios) {
        const expected = notInApi.includes(scenario) ? "n/a" : "ok";
        it(expected === "ok" ? scenario : `${scenario}: not in its API`, async function () {
          needs(this, ...tools);
          const outcomes = await runs.get(name);
          const outcome = outcomes?.get(scenario);
          assert.equal(outcome?.result, expected, outcome?.reason);
        });
      }
    });
  }
});
