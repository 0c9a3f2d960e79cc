import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { realScheduler, sleep } from "../lib/clock.ts";
import type { Millis } from "../lib/units.ts";
import { InstanceFile } from "./instance.ts";
import type { LocalOptions } from "./main.ts";
import { identityOf, isRunning } from "./process-identity.ts";

const POLL: Millis = 20;

/**
 * `forebay local --detach` (edge): starts the same program in the background and resolves when its brokers are ready.
 * @throws Error with what the other one said when it cannot start
 */
export async function startDetached(options: LocalOptions): Promise<void> {
  const { directory, brokers, port } = options;
  const instance = new InstanceFile(directory);
  const other = instance.running();
  if (other !== undefined) {
    throw new Error(`${directory} is in use by process ${String(other.pid)}`);
  }
  const script = process.argv[1];
  if (script === undefined) throw new Error("this program does not know its own file");
  const output = openLog(directory);
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      path.resolve(script),
      "local",
      "--dir",
      directory,
      ...(brokers === undefined ? [] : ["--brokers", String(brokers)]),
      ...(port === undefined ? [] : ["--port", String(port)]),
    ],
    { detached: true, stdio: ["ignore", output, output] },
  );
  closeSync(output);
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const identity = identityOf(child.pid ?? 0);
  for (;;) {
    // Looked at before the file: what it wrote last is then there to be read.
    const alive = identity !== undefined && isRunning(identity);
    const said = instance.read();
    const its = said?.pid === child.pid ? said : undefined;
    if (its?.state === "failed") throw new Error(its.text ?? "it could not start");
    if (!alive) throw new Error(`it ended; see ${logFile(directory)}`);
    if (its?.state === "ready") {
      process.stdout.write(its.text ?? "");
      child.unref();
      return;
    }
    await sleep(realScheduler, POLL);
  }
}

function openLog(directory: string): number {
  try {
    mkdirSync(path.dirname(logFile(directory)), { recursive: true });
    return openSync(logFile(directory), "a", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`cannot write to ${directory}${code === undefined ? "" : ` (${code})`}`, {
      cause: error,
    });
  }
}

function logFile(directory: string): string {
  return path.join(directory, "logs", "local.log");
}
