import { parseArgs } from "node:util";
import { abuse, PHASES, type PhaseResult } from "./scenarios/abuse.ts";
import { compare, ROW_NAMES } from "./scenarios/compare.ts";
import { localControlPlane } from "./scenarios/local-control-plane.ts";
import { failover, VARIANTS } from "./scenarios/failover.ts";
import { recovery } from "./scenarios/recovery.ts";
import { startUp } from "./scenarios/start-up.ts";

/** No more may a start after a crash take. */
const RECOVERY_SECONDS = 5;
const USAGE = `npm run bench -- failover [${Object.keys(VARIANTS).join("|")} ...] [--rounds N] [--verbose]
npm run bench -- compare [row ...] [--rounds N] [--scale S]   S divides the sizes of the loads
npm run bench -- start-up [--rounds N]
npm run bench -- recovery [--rounds N] [--partitions P] [--gib G]
npm run bench -- abuse [${PHASES.map(({ name }) => name).join("|")} ...] [--scale S]   S divides how many abuse it, and for how long
npm run bench -- control-plane [--topics N]   on forebay local; on a real Kubernetes: docs/kubernetes.md
rows: ${ROW_NAMES.join(" ")}`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    scale: { type: "string", default: "1" },
    partitions: { type: "string", default: "2000" },
    gib: { type: "string", default: "50" },
    topics: { type: "string", default: "2000" },
    verbose: { type: "boolean", default: false },
  },
});
const [scenario, ...names] = positionals;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
switch (scenario) {
  case "failover":
    process.exitCode = (await printFailover(names, rounds, values.verbose)) ? 0 : 1;
    break;
  case "compare":
    await compare(names, { rounds: rounds ?? 5, scale: Number(values.scale) });
    break;
  case "start-up":
    await startUp(rounds ?? 3);
    break;
  case "recovery":
    process.exitCode = printRecovery(rounds ?? 3) ? 0 : 1;
    break;
  case "abuse":
    process.exitCode = (await printAbuse(names, Number(values.scale))) ? 0 : 1;
    break;
  case "control-plane": {
    const { operatorBytes } = await localControlPlane(Number(values.topics), console.log);
    console.log(`the process of API and operator has ${mib(operatorBytes)} MiB resident`);
    break;
  }
  default:
    console.log(USAGE);
    process.exitCode = 2;
}

/** @returns whether every acknowledged record was found once and in order */
async function printFailover(
  variants: readonly string[],
  rounds: number | undefined,
  verbose: boolean,
): Promise<boolean> {
  let safe = true;
  for (const name of variants.length === 0 ? Object.keys(VARIANTS) : variants) {
    console.log(`${name}: ${VARIANTS[name]?.what ?? ""}`);
    const { gapsMs, verdict } = await failover(name, {
      rounds,
      ...(verbose ? { onRetry: printRetry } : {}),
    });
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
    if (lost + duplicated + outOfOrder > 0) safe = false;
  }
  return safe;
}

function printRetry(partition: number, error: unknown, after: number): void {
  const reason = error instanceof Error ? error.message : String(error);
  const at = new Date().toISOString().slice(11, 23);
  console.log(`  ${at} partition ${partition}: ${reason} after ${Math.round(after)} ms`);
}

/** @returns whether memory stayed within its bound and nothing acknowledged was lost */
async function printAbuse(names: readonly string[], scale: number): Promise<boolean> {
  const { boundBytes, phases, lost, failures } = await abuse(names, scale, printPhase);
  const most = Math.max(...phases.map(({ residentBytes }) => residentBytes));
  console.log(
    `resident at most ${mib(most)} of ${mib(boundBytes)} MiB; ${lost} acknowledged records lost; ` +
      `${failures} requests of the well-behaved client failed`,
  );
  return most <= boundBytes && lost === 0;
}

function printPhase(phase: PhaseResult, boundBytes: number): void {
  const { name, what, count, residentBytes, latencies, outcome } = phase;
  console.log(`${name}: ${count === 0 ? "" : `${count} `}${what}`);
  console.log(`  resident at most ${mib(residentBytes)} MiB of ${mib(boundBytes)}`);
  console.log(
    `  well-behaved client, p50 / p99 / max ms: acks ${spread(latencies.acks)}, reads ${spread(latencies.reads)}, old records ${spread(latencies.coldReads)}`,
  );
  const { acknowledged, opened, closed, answers, receivedMib } = outcome;
  if (acknowledged !== undefined)
    console.log(`  ${acknowledged.reduce((a, b) => a + b, 0)} records acknowledged to the abusers`);
  if (opened !== undefined) {
    const cut = closed === undefined ? "" : `, ${closed} closed by the broker`;
    console.log(`  ${opened} connections${cut}`);
  }
  if (receivedMib !== undefined)
    console.log(`  ${answers} answers of ${receivedMib} MiB sent to the abusers`);
}

/** @returns whether a broker that was killed is back in time */
function printRecovery(times: number): boolean {
  const seconds = recovery({
    rounds: times,
    partitions: Number(values.partitions),
    gib: Number(values.gib),
    print: (line) => {
      console.log(line);
    },
  });
  console.log(`median ${seconds.toFixed(2)} s of ${RECOVERY_SECONDS}`);
  return seconds < RECOVERY_SECONDS;
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function spread(latencies: readonly number[]): string {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(
      1,
    );
  return `${at(0.5)} / ${at(0.99)} / ${at(1)} (${sorted.length})`;
}
