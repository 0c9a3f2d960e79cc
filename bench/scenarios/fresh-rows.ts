import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { leaderProcess, load, ready, residentMib } from "../load/generator.ts";
import type { Row } from "./row.ts";

const run = promisify(execFile);
const FAULT_AFTER_MS = 4000;

/** From the start of the processes to the first acknowledged record; memory after five idle seconds. */
const start: Row = {
  nodes: 1,
  against: ["kafka", "nats"],
  run: async (side) => {
    const result = await ready(side, await side.start());
    return { "first ack ms": result.first_ack_ms ?? Number.NaN, "idle MiB": residentMib(result) };
  },
};

/** 2,000 partitions at once. */
const partitions: Row = {
  nodes: 1,
  against: ["kafka"],
  run: async (side) => {
    await ready(side, await side.start());
    const args = ["-mode", "parts", "-create", "-topic", "parts", "-partitions", "2000"];
    const result = await load(side, args);
    return {
      "usable ms": result.usable_ms ?? Number.NaN,
      "KiB a partition": result.kib_per_partition ?? Number.NaN,
    };
  },
};

/** 2,000 consumers with nothing to read. */
const connections: Row = {
  nodes: 1,
  against: ["kafka"],
  run: async (side) => {
    await ready(side, await side.start());
    const args = ["-mode", "conns", "-topic", "ready", "-conns", "2000", "-duration", "10s"];
    const result = await load(side, args);
    return {
      "KiB a connection": result.kib_per_conn ?? Number.NaN,
      "idle CPU, cores": result.idle_cpu_cores ?? Number.NaN,
    };
  },
};

/** Everything is read after a restart, and from the disk. */
const cold: Row = {
  nodes: 1,
  against: ["kafka"],
  run: async (side, scale) => {
    const args = ["-topic", "cold", "-records", String(Math.round(1_000_000 / scale))];
    await ready(side, await side.start());
    await load(side, ["-create", ...args]);
    await side.stop();
    await dropPageCache(side.folder);
    await ready(side, await side.start());
    const result = await load(side, ["-mode", "consume", ...args]);
    return {
      "MiB/s": result.mib_s ?? Number.NaN,
      "broker CPU s/GiB": result.broker_cpu_s_per_gib ?? Number.NaN,
    };
  },
};

/** Where both flush before they acknowledge. */
const flushed: Row = {
  nodes: 1,
  against: ["kafka-flushed"],
  run: async (side, scale) => {
    await ready(side, await side.start());
    const seconds = `${Math.max(4, Math.round(8 / scale))}s`;
    const args = ["-create", "-topic", "flushed", "-duration", seconds];
    await load(side, ["-create", "-topic", "warm", "-records", "100000"]);
    const fast = await load(side, args);
    const steady = await load(side, ["-mode", "e2e", ...args, "-rate", "1000", "-linger", "0"]);
    return {
      "MiB/s": fast.mib_s ?? Number.NaN,
      "p50 ms at 1,000/s": steady.e2e_ms?.p50 ?? Number.NaN,
      "p99 ms at 1,000/s": steady.e2e_ms?.p99 ?? Number.NaN,
    };
  },
};

/** The leader's process is killed under 500 acks=all records a second. */
const failover: Row = {
  nodes: 3,
  against: ["kafka", "nats"],
  run: async (side) => {
    await ready(side, await side.start());
    const topic = ["-topic", "gap"];
    await load(side, ["-create", ...topic, "-partitions", "1", "-rate", "100", "-duration", "2s"]);
    const args = ["-create", "-mode", "gap", ...topic, "-partitions", "1", "-rate", "500"];
    const running = load(side, [...args, "-linger", "0", "-duration", "20s"]);
    await sleep(realScheduler, FAULT_AFTER_MS);
    process.kill(await leaderProcess(side, "gap"), "SIGKILL");
    const result = await running;
    return {
      "longest gap ms": result.gap_ms ?? Number.NaN,
      lost: result.lost ?? Number.NaN,
      duplicates: result.duplicates ?? Number.NaN,
    };
  },
};

/** Rows whose every run has a cluster of its own, from nothing. */
export const FRESH_ROWS: Readonly<Record<string, Row>> = {
  "1-start": start,
  "1-partitions": partitions,
  "1-connections": connections,
  "1-cold": cold,
  "1-flushed": flushed,
  "3-failover": failover,
};

/** The files of a folder are no longer in memory. */
async function dropPageCache(folder: string): Promise<void> {
  await run("sync", []);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    await run("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"]);
  }
}
