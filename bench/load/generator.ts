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
  readonly kib_per_partition?: number;
  readonly kib_per_conn?: number;
  readonly idle_cpu_cores?: number;
}

/** Runs the load generator against a side once. */
export async function load(side: Side, args: readonly string[]): Promise<LoadResult> {
  const pids = (await side.pids()).join(",");
  const common = ["-bootstrap", side.bootstrap, "-rf", String(side.nodes), "-pids", pids];
  return new Promise((resolve, reject) => {
    execFile(
      path.join(peersCache, "bin", "bench"),
      [...common, ...args],
      { maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error !== null) {
          reject(new Error(`${side.name}: load generator: ${stderr}`, { cause: error }));
          return;
        }
        const last = stdout.trim().split("\n").at(-1) ?? "";
        resolve(last === "" ? {} : (JSON.parse(last) as LoadResult));
      },
    );
  });
}
