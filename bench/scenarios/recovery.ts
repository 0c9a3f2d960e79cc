// How long a broker's volume takes to open: many partitions, many small segments, after a clean stop and after a kill.
//
//   node bench/scenarios/recovery.ts [--partitions 2000] [--segments 5] [--folder <an empty one>]
//
// Each case is made by one process and opened by another, so that nothing is left in memory; the page cache is warm.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { createFileStorage } from "../../broker/log/file-storage.ts";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../broker/log/log-manager.ts";
import type { LogManager } from "../../broker/log/types.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";

const { values } = parseArgs({
  options: {
    partitions: { type: "string", default: "2000" },
    segments: { type: "string", default: "5" },
    folder: { type: "string" },
    step: { type: "string" },
  },
});
const partitions = Number(values.partitions);
const segments = Number(values.segments);
/** Bytes of a batch's value; a segment takes ten of them, the last one half full. */
const VALUE_BYTES = 1500;

function open(folder: string): Promise<LogManager> {
  return createFileStorage(folder).then((storage) =>
    openLogManager({
      storage,
      scheduler: realScheduler,
      random: systemRandom,
      logger: silentLogger,
      panic: (error) => {
        console.error(error);
        process.exit(70);
      },
    }),
  );
}

function topicId(topic: number): string {
  return `00000000-0000-4000-8000-${String(topic).padStart(12, "0")}`;
}

async function fill(folder: string): Promise<LogManager> {
  const manager = await open(folder);
  const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 10 * (VALUE_BYTES + 80) };
  const rounds = 10 * segments - 5;
  for (let round = 0; round < rounds; round++) {
    for (let p = 0; p < partitions; p++) {
      const identity = {
        topic: `t${p % 20}`,
        topicId: topicId(p % 20),
        partition: Math.floor(p / 20),
      };
      const log =
        manager.get(identity.topicId, identity.partition) ?? (await manager.open(identity, config));
      const records = [{ value: Buffer.alloc(VALUE_BYTES, round), timestamp: Date.now() }];
      const batch = buildBatch({
        records,
        producerId: p % 7,
        producerEpoch: 0,
        baseSequence: round,
      });
      log.appendAsLeader(batch, 0, "client");
      if (p % 200 === 0) await manager.flush();
    }
  }
  await manager.flush();
  return manager;
}

async function timeOpening(folder: string): Promise<void> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const manager = await open(folder);
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  let records = 0;
  for (const log of manager.logs) records += log.logEndOffset;
  const cpuSeconds = (user + system) / 1e6;
  console.log(
    `  ${[...manager.logs].length} logs, ${records} records: ${(wall / 1000).toFixed(2)} s, ${cpuSeconds.toFixed(2)} CPU s, ` +
      `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB, ${readdirSync("/proc/self/fd").length} open files`,
  );
}

function step(name: string, folder: string): void {
  const { partitions: p, segments: s } = values;
  const args = [
    import.meta.filename,
    "--step",
    name,
    "--folder",
    folder,
    "--partitions",
    p,
    "--segments",
    s,
  ];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

async function main(): Promise<void> {
  const folder = values.folder ?? mkdtempSync(path.join(tmpdir(), "forebay-recovery-"));
  switch (values.step) {
    case "stop":
      await (await fill(folder)).close();
      return process.exit(0);
    case "kill":
      await fill(folder);
      return process.exit(0);
    case "open":
      await timeOpening(folder);
      return process.exit(0);
    default:
      for (const end of ["stop", "kill"]) {
        const own = path.join(folder, end);
        console.log(`${partitions} partitions of ${segments} segments, after a ${end}:`);
        step(end, own);
        step("open", own);
        console.log("  once more, after a kill without an append:");
        step("open", own);
      }
      if (values.folder === undefined) rmSync(folder, { recursive: true });
  }
}

await main();
