import { failover, VARIANTS } from "./scenarios/failover.ts";

/** `npm run bench -- failover [variant …] [--rounds N]`; exit code 1 when something acknowledged was lost or doubled. */
async function main(args: readonly string[]): Promise<void> {
  const [scenario, ...rest] = args;
  if (scenario !== "failover") {
    console.log(`npm run bench -- failover [${Object.keys(VARIANTS).join("|")} ...] [--rounds N]`);
    process.exitCode = 2;
    return;
  }
  const at = rest.indexOf("--rounds");
  const rounds = at < 0 ? undefined : Number(rest[at + 1]);
  const names = at < 0 ? rest : [...rest.slice(0, at), ...rest.slice(at + 2)];
  for (const name of names.length === 0 ? Object.keys(VARIANTS) : names) {
    console.log(`${name}: ${VARIANTS[name]?.what ?? ""}`);
    const { gapsMs, verdict } = await failover(name, { rounds });
    const sorted = [...gapsMs].sort((a, b) => a - b);
    const [least = 0] = sorted;
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const most = sorted[sorted.length - 1] ?? 0;
    console.log(`  gaps without an acknowledgement, ms: ${gapsMs.map(Math.round).join(" ")}`);
    console.log(
      `  least ${Math.round(least)}, median ${Math.round(median)}, worst ${Math.round(most)} over ${sorted.length}`,
    );
    const { acknowledged, lost, duplicated, outOfOrder } = verdict;
    console.log(
      `  ${acknowledged} acknowledged, ${lost} lost, ${duplicated} duplicated, ${outOfOrder} out of order`,
    );
    if (lost + duplicated + outOfOrder > 0) process.exitCode = 1;
  }
}

await main(process.argv.slice(2));
