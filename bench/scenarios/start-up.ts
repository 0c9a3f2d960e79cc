import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { freePorts } from "../../test/support/local-cluster.ts";
import { forebaySide } from "../sides/forebay-side.ts";
import { median } from "./median.ts";

const root = path.resolve(import.meta.dirname, "..", "..");
/** A broker that nobody uses has settled after this long. */
const IDLE_MS = 10_000;

/** `npm start` from the command to the line that says that all brokers are ready, and what the idle brokers take. */
export async function startUp(rounds: number): Promise<void> {
  const totals: number[] = [];
  const brokersReady: number[] = [];
  const resident: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = mkdtempSync(path.join(tmpdir(), "forebay-bench-"));
    const port = await freePorts(3);
    const started = performance.now();
    const child = spawn("npm", ["start", "--", "--dir", folder, "--port", String(port)], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await readyLine(child.stdout);
    const total = performance.now() - started;
    await sleep(realScheduler, IDLE_MS);
    const side = forebaySide(3, folder);
    const mib = (await side.pids()).map(residentMib);
    console.log(
      `  round ${round + 1}: ${(total / 1000).toFixed(2)} s to all brokers ready ("${line}"); idle ${mib.map((one) => one.toFixed(0)).join(", ")} MiB`,
    );
    totals.push(total / 1000);
    const seconds = /in ([\d.]+) s/.exec(line)?.[1];
    brokersReady.push(Number(seconds));
    resident.push(Math.max(...mib));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await side.stop();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(
    `npm start: ${median(totals).toFixed(2)} s, of which brokers, operator and API ${median(brokersReady).toFixed(2)} s; largest idle broker ${median(resident).toFixed(0)} MiB`,
  );
}

function readyLine(stdout: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = /^Forebay is ready.*$/m.exec(text);
      if (found !== null) resolve(found[0]);
    });
    stdout.once("end", () => {
      reject(new Error(`npm start ended: ${text}`));
    });
  });
}

function residentMib(pid: number): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return Number.NaN;
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(file, "utf8"))?.[1]) / 1024;
}
