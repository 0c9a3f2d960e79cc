import { parseArgs } from "node:util";
import { createLogger } from "../../lib/winston-logger.ts";
import { simulate } from "./simulation.ts";

/** `npm run sim -- --seeds N [--from S]` runs seeds; `npm run sim -- --seed S` replays one with its history. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      logs: { type: "boolean", default: false },
      // End at the first seed that fails.
      bail: { type: "boolean", default: false },
    },
  });
  if (values.seed !== undefined) {
    const logger = createLogger({ level: "debug", format: "text" });
    const result = await simulate({
      seed: Number(values.seed),
      verbose: true,
      ...(values.logs ? { logger } : {}),
    });
    for (const line of result.history) console.log(line);
    const { violations, digest, steps, acked, read, faults } = result;
    console.log(
      `${violations.length} violations; ${faults} faults, ${acked} acknowledged, ${read} read, ${steps} steps, digest ${digest}`,
    );
    await end(violations.length === 0 ? 0 : 1);
  }
  const from = Number(values.from);
  const count = Number(values.seeds);
  let failed = 0;
  let acked = 0;
  let faults = 0;
  const started = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulate({ seed });
    acked += result.acked;
    faults += result.faults;
    const [first] = result.violations;
    if (first === undefined) continue;
    failed++;
    console.log(`seed ${seed}: ${first.invariant}: ${first.message.split("\n")[0] ?? ""}`);
    if (values.bail) break;
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${count} seeds, ${failed} failed; ${faults} faults, ${acked} records acknowledged, ${seconds.toFixed(1)} s`,
  );
  await end(failed === 0 ? 0 : 1);
}

/** Ends this process when all that it has said has left it: what is written to a socket need not have. */
async function end(code: number): Promise<never> {
  await new Promise<void>((resolve) => {
    process.stdout.write("", () => {
      resolve();
    });
  });
  process.exit(code);
}

await main();
