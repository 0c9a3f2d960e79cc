import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { GIB } from "../../lib/units.ts";
import { median } from "./median.ts";
import type { Opening } from "./recovery-steps.ts";

export interface RecoveryOptions {
  readonly rounds: number;
  readonly partitions: number;
  readonly gib: number;
  readonly print: (line: string) => void;
}

/**
 * How long the volume of a broker that was killed takes to open: many partitions, large segments (sparse files, with
 * records and indexes where recovery may look), a journal full of what no checkpoint has covered. Each step is a process
 * of its own, so that nothing is left in memory. @returns the median of the rounds, in seconds
 */
export function recovery({ rounds, partitions, gib, print }: RecoveryOptions): number {
  const folder = mkdtempSync(path.join(tmpdir(), "forebay-recovery-"));
  try {
    const bytes = String(gib * GIB);
    print(`${partitions} partitions, ${gib} GiB of sparse segments`);
    step("make", folder, String(partitions), bytes);
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++) {
      step("load", folder);
      const cold = dropCaches();
      const opening = JSON.parse(step("open", folder)) as Opening;
      seconds.push(opening.seconds);
      print(
        `  ${opening.seconds.toFixed(2)} s, ${opening.cpuSeconds.toFixed(2)} CPU s, ${opening.logs} logs, ` +
          `${opening.entries} entries of the journal, ${mib(opening.readBytes)} MiB read, ` +
          `${mib(opening.residentBytes)} MiB resident${cold ? ", nothing cached" : ""}`,
      );
    }
    return median(seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Nothing of the volume is in memory then; only root may. */
function dropCaches(): boolean {
  return spawnSync("sh", ["-c", "sync && echo 3 > /proc/sys/vm/drop_caches"]).status === 0;
}

function step(...args: readonly string[]): string {
  const program = path.join(import.meta.dirname, "recovery-steps.ts");
  const { status, stdout } = spawnSync(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${args[0] ?? ""} has failed`);
  return stdout;
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
