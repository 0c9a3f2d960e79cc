import { parseArgs } from "node:util";
import { PLANTS } from "./planted.ts";
import { runSimulator } from "./run-simulator.ts";

/** `npm run sim:planted [-- --seeds N] [--name plant]`: which seed finds each planted bug, and after how long. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "400" },
      from: { type: "string", default: "1" },
      name: { type: "string" },
    },
  });
  const plants = PLANTS.filter(({ name }) => values.name === undefined || name === values.name);
  if (plants.length === 0) throw new Error(`no planted bug is named ${values.name ?? ""}`);
  let missed = 0;
  await Promise.all(
    plants.map(async ({ name, breaks }) => {
      const args = ["--seeds", values.seeds, "--from", values.from, "--bail"];
      const { code, output, seconds } = await runSimulator(args, name);
      const found = /^seed (\d+): (.*)$/m.exec(output);
      if (code === 1 && found !== null) {
        console.log(
          `${name} (${breaks}): seed ${found[1] ?? ""} in ${seconds.toFixed(1)} s: ${found[2]?.slice(0, 120) ?? ""}`,
        );
        return;
      }
      missed++;
      console.log(`${name} (${breaks}): NOT FOUND in ${values.seeds} seeds`);
      if (code !== 0) console.log(output);
    }),
  );
  console.log(`${String(plants.length - missed)} of ${String(plants.length)} planted bugs found`);
  process.exit(missed === 0 ? 0 : 1);
}

await main();
