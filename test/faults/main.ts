import { parseArgs } from "node:util";
import { MINUTE } from "../../lib/units.ts";
import { isInside, runInside, whyNot } from "./own-namespace.ts";
import { run } from "./run.ts";

/** `npm run faults -- [--minutes M] [--seed S] [fault ...]`: faults at real broker processes under load, chosen by a seed. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: "string", default: "5" },
      seed: { type: "string" },
    },
  });
  if (!isInside()) {
    const reason = whyNot();
    if (reason === undefined) return runInside(import.meta.filename, process.argv.slice(2));
    console.log(`left out: faults of the network and of volumes (${reason})`);
    if (process.env["CI"] === "true") return 1;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  console.log(`seed ${seed}, ${values.minutes} minutes`);
  const result = await run({
    seed,
    lengthMs: Number(values.minutes) * MINUTE,
    inside: isInside(),
    only: positionals,
    print: (line) => {
      console.log(line);
    },
  });
  const { rounds, acknowledged, read, counts, recoveriesMs, wrong } = result;
  const sorted = [...recoveriesMs].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  console.log([...counts].map(([name, count]) => `${name} ${count}`).join(", "));
  console.log(`all in sync and served again after, ms: median ${at(0.5)}, most ${at(1)}`);
  for (const line of wrong) console.log(`WRONG: ${line}`);
  console.log(
    `seed ${seed}: ${rounds} faults, ${acknowledged} records acknowledged, ${read} read, ${wrong.length} wrong`,
  );
  return wrong.length === 0 && rounds > 0 && acknowledged > 0 ? 0 : 1;
}

process.exit(await main());
