import { execFile } from "node:child_process";
import path from "node:path";
import type { Side } from "../sides/side.ts";
import { peersCache } from "./peer-script.ts";

/** Latencies of one run, in milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly "p99.9": number;
  readonly max: number;
}

/** What the load generator (bench/peers/bench) prints of one run; which fields there are depends on its mode. */
export interface LoadResult {
  readonly records?: number;
  readonly mib_s?: number;
  readonly broker_cpu_s_per_gib?: number;
  readonly broker_cpu_s?: number;
  readonly rss_mib?: number | readonly number[];
  readonly errors?: number;
  readonly ack_ms?: Latencies;
  readonly e2e_ms?: Latencies;
  readonly first_ack_ms?: number;
  readonly listen_ms?: number;
  readonly usable_ms?: number;
  readonly gap_ms?: number;
  readonly lost?: number | null;
  readonly duplicates?: number | null;
  readonly kib_per_partition?: number;
  readonly kib_per_conn?: number;
  readonly idle_cpu_cores?: number;
}

/** The resident memory at the end of a run, of all brokers, in MiB. */
export function residentMib({ rss_mib: rss }: LoadResult): number {
  return (typeof rss === "number" ? rss : rss?.at(-1)) ?? Number.NaN;
}

/** Waits until a side that was started at `since` (ns since 1970) has acknowledged a first record. */
export function ready(side: Side, since: bigint): Promise<LoadResult> {
  return load(side, [
    "-mode",
    "ready",
    "-topic",
    "ready",
    "-partitions",
    "1",
    "-since",
    `${since}`,
  ]);
}

/** Runs the load generator against a side once. */
export async function load(side: Side, args: readonly string[]): Promise<LoadResult> {
  const last = (await generate(side, args)).trim().split("\n").at(-1) ?? "";
  return last === "" ? {} : (JSON.parse(last) as LoadResult);
}

/** The process of the node that leads partition 0 of a topic. */
export async function leaderProcess(side: Side, topic: string): Promise<number> {
  const answer = await generate(side, ["-mode", "leader", "-topic", topic]);
  const id = Number(/\d+/.exec(answer)?.[0] ?? "-1");
  const pid = (await side.pids())[id - side.firstId];
  if (pid === undefined) throw new Error(`${side.name}: nobody leads ${topic}: ${answer}`);
  return pid;
}

async function generate(side: Side, args: readonly string[]): Promise<string> {
  const pids = (await side.pids()).join(",");
  const { protocol, bootstrap, nodes } = side;
  const common = ["-proto", protocol, "-bootstrap", bootstrap, "-rf", String(nodes), "-pids", pids];
  return new Promise((resolve, reject) => {
    execFile(
      path.join(peersCache, "bin", "bench"),
      [...common, ...args],
      { maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${side.name}: load generator: ${stderr}`, { cause: error }));
      },
    );
  });
}
