import { parseArgs } from "node:util";
import { LocalCluster } from "../../support/local-cluster.ts";
import { lacks } from "../../support/tools.ts";
import { libraries, type Library } from "./libraries.ts";
import { mapLimited } from "./map-limited.ts";
import { matrix } from "./matrix.ts";
import { runLibrary } from "./run-library.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

const USAGE = `npm run conformance -- [--against HOST:PORT[,…]] [--client NAME …] [--scenario NAME …]
Runs real clients against a cluster, or against a forebay local of its own, and prints what each of them can do.
clients: ${libraries.map(({ name }) => name).join(", ")}
scenarios: ${scenarios.join(", ")}`;

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    client: { type: "string", multiple: true },
    scenario: { type: "string", multiple: true },
    help: { type: "boolean", default: false },
  },
});

const chosen = libraries.filter(({ name }) => values.client?.includes(name) ?? true);
const wanted = scenarios.filter((scenario) => values.scenario?.includes(scenario) ?? true);
if (values.help || chosen.length === 0 || wanted.length === 0) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else if (values.against === undefined) {
  const cluster = await LocalCluster.start(3);
  try {
    process.exitCode = await print(cluster.bootstrap, chosen, wanted);
  } finally {
    await cluster.remove();
  }
} else {
  process.exitCode = await print(values.against, chosen, wanted);
}

/** @returns the exit code: 0 when nothing failed and nothing was left out */
async function print(
  bootstrap: string,
  asked: readonly Library[],
  only: readonly Scenario[],
): Promise<number> {
  const missing = asked.flatMap(({ name, tools }) =>
    lacks(...tools).map((why) => `${name}: ${why}`),
  );
  for (const line of missing) console.error(line);
  const present = asked.filter(({ tools }) => lacks(...tools).length === 0);
  // Names of its own in each run: the cluster may hold those of another.
  const run = Date.now().toString(36);
  const rows = await Promise.all(
    mapLimited(present, 3, async (library) => {
      const prefix = `${run}-${library.name.replaceAll(/[^a-z]/gi, "-")}`;
      const started = performance.now();
      const outcomes = await runLibrary(library, bootstrap, prefix, only);
      console.error(`${library.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
      return { library, outcomes };
    }),
  );
  console.log(matrix(rows));
  const failed = rows.some(({ outcomes }) =>
    [...outcomes.values()].some(({ result }) => result === "fail"),
  );
  return failed || missing.length > 0 ? 1 : 0;
}
