import { readFileSync } from "node:fs";
import path from "node:path";
import { whole, type Kube } from "../../bench/load/local.ts";
import { seededRandom } from "../../lib/random.ts";
import { MINUTE, type Millis } from "../../lib/units.ts";
import type { Pod } from "../../local/workloads.ts";
import { lastLogLines, LocalCluster } from "../support/local-cluster.ts";
import { FAULT_KINDS, type FaultKind } from "./fault-kinds.ts";
import { Load } from "./load.ts";
import { Network } from "./network.ts";
import { mountSmall, unmount } from "./volumes.ts";
import { pause, type World } from "./world.ts";
import { recordedSlices } from "../support/recorded-slices.ts";

export interface RunOptions {
  readonly seed: number;
  readonly lengthMs: Millis;
  /** Whether this process has a network and mounts of its own. */
  readonly inside: boolean;
  /** Only these kinds of faults. */
  readonly only: readonly string[];
  readonly print: (line: string) => void;
}

export interface RunResult {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly read: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly recoveriesMs: readonly Millis[];
  readonly wrong: readonly string[];
}

const BROKERS = 3;
const PRODUCERS = 2;
/** Faults between two comparisons. */
const ROUNDS_OF_A_LOAD = 10;
const RECOVERY_LIMIT: Millis = 2 * MINUTE;
const BROKER_ADDRESS = path.join(import.meta.dirname, "broker-address.mjs");
const BROKEN_INVARIANT = 70;
const pods = { group: "", version: "v1", plural: "pods", kind: "Pod" } as const;

/** Runs rounds of faults against a `forebay local` of its own for some time, or until something is wrong. */
export async function run(options: RunOptions): Promise<RunResult> {
  const { print } = options;
  if (options.inside) process.env["NODE_OPTIONS"] = `--import ${BROKER_ADDRESS}`;
  const cluster = await LocalCluster.start(BROKERS, (directory) => {
    if (!options.inside) return;
    for (let id = 0; id < BROKERS; id++) mountSmall(directory, id);
  });
  const kube = await cluster.kube();
  const counts = new Map<string, number>();
  const recoveriesMs: Millis[] = [];
  const wrong: string[] = [];
  let acknowledged = 0;
  let read = 0;
  let rounds = 0;
  const end = performance.now() + options.lengthMs;
  try {
    const network = options.inside ? new Network(apiPort(cluster)) : undefined;
    const random = seededRandom(options.seed);
    const kinds = chosen(options);
    for (let turn = 0; performance.now() < end && wrong.length === 0; turn++) {
      const load = await Load.start(cluster, kube, String(turn), PRODUCERS);
      const world: World = { cluster, kube, random, network, topics: load.topics };
      await pause(2000);
      for (let round = 0; round < ROUNDS_OF_A_LOAD && performance.now() < end; round++) {
        const [name, kind] = kinds[random.below(kinds.length)] ?? kinds[0] ?? fail("no faults");
        rounds++;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        const started = performance.now();
        const what = await kind.strike(world);
        const healed = performance.now();
        await whole(kube, RECOVERY_LIMIT);
        await load.progress();
        const recovery = performance.now() - healed;
        recoveriesMs.push(recovery);
        print(
          `${clock(started)} ${name}: ${what}; whole ${Math.round(recovery)} ms later, ${load.acknowledged} acknowledged`,
        );
        wrong.push(...(await brokenInvariants(kube)));
        if (wrong.length > 0) break;
        // At rest for a time that is now short and now long enough for a checkpoint.
        await pause(random.below(2500));
      }
      const verdict = await load.finish();
      load.close();
      acknowledged += verdict.acknowledged;
      read += verdict.read;
      wrong.push(...verdict.wrong);
      print(`${verdict.acknowledged} acknowledged, ${verdict.read} read, ${wrong.length} wrong`);
    }
    return { rounds, acknowledged, read, counts, recoveriesMs, wrong };
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    for (const line of await stateOf(kube)) print(line);
    return { rounds, acknowledged, read, counts, recoveriesMs, wrong };
  } finally {
    kube.close();
    if (wrong.length > 0) for (const line of lastLogLines(cluster)) print(line);
    if (wrong.length > 0 && process.env["FOREBAY_FAULTS_KEEP"] !== undefined) {
      print(`kept: ${cluster.directory}`);
      await cluster.down();
    } else {
      await cluster.down();
      if (options.inside) for (let id = 0; id < BROKERS; id++) unmount(cluster.directory, id);
      await cluster.remove();
    }
  }
}

function chosen({ only, inside }: RunOptions): (readonly [string, FaultKind])[] {
  for (const name of only) if (FAULT_KINDS[name] === undefined) fail(`no fault "${name}"`);
  return Object.entries(FAULT_KINDS).filter(
    ([name, { needsRoot = false }]) =>
      (only.length === 0 || only.includes(name)) && (inside || !needsRoot),
  );
}

function fail(what: string): never {
  throw new Error(what);
}

function apiPort(cluster: LocalCluster): number {
  const settings = readFileSync(path.join(cluster.directory, "settings.json"), "utf8");
  return (JSON.parse(settings) as { readonly apiPort: number }).apiPort;
}

/** Brokers that have ended themselves because an invariant did not hold or the volume had failed. */
async function brokenInvariants(kube: Kube): Promise<string[]> {
  const { items } = await kube.list<Pod>(pods, "default");
  return items.flatMap(({ metadata, status }) =>
    (status?.containerStatuses ?? [])
      .filter(({ lastState }) => lastState?.terminated?.exitCode === BROKEN_INVARIANT)
      .map(() => `${metadata.name} has ended with code ${BROKEN_INVARIANT}`),
  );
}

/** Who leads what, for a report of what went wrong. */
async function stateOf(kube: Kube): Promise<string[]> {
  const slices = await recordedSlices(kube, "default");
  return slices.map((slice) => JSON.stringify(slice));
}

function clock(at: Millis): string {
  return `${(at / 1000).toFixed(1).padStart(7)} s`;
}
