import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createKubeClient } from "../../kube/client.ts";
import { loadCredentials } from "../../kube/credentials.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";

const PROGRAM = path.resolve(import.meta.dirname, "..", "..", "bin", "forebay.mjs");

const LAST_LINES = 30;

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `forebay …` to its end. */
export function forebay(
  args: readonly string[],
  onStart?: (child: ReturnType<typeof spawn>) => void,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
    onStart?.(child);
  });
}

/** A `forebay local` of its own, in a folder of its own, on ports that were free. */
export class LocalCluster {
  readonly directory: string;
  readonly port: number;
  readonly brokers: number;

  private constructor(directory: string, port: number, brokers: number) {
    this.directory = directory;
    this.port = port;
    this.brokers = brokers;
  }

  /** @param prepare is called with its folder before anything is in it */
  static async start(brokers = 3, prepare?: (directory: string) => void): Promise<LocalCluster> {
    const directory = mkdtempSync(path.join(tmpdir(), "forebay-e2e-"));
    prepare?.(directory);
    const cluster = new LocalCluster(directory, await freePorts(brokers), brokers);
    await cluster.up();
    return cluster;
  }

  get bootstrap(): string {
    return Array.from({ length: this.brokers }, (_, id) => `127.0.0.1:${this.port + id}`).join(",");
  }

  get kubeconfig(): string {
    return path.join(this.directory, "kubeconfig");
  }

  /** Starts it (again); resolves when all brokers are ready. */
  async up(): Promise<CommandResult> {
    const result = await forebay([
      "local",
      "--dir",
      this.directory,
      "--port",
      String(this.port),
      "--brokers",
      String(this.brokers),
      "--detach",
    ]);
    if (result.code !== 0) throw new Error(`not started: ${result.stderr}`);
    return result;
  }

  async down(): Promise<void> {
    await forebay(["local", "stop", "--dir", this.directory]);
  }

  /** Process ids by broker id. */
  async processes(): Promise<ReadonlyMap<number, number>> {
    const { stdout } = await forebay(["local", "ps", "--dir", this.directory]);
    return new Map(
      stdout
        .trim()
        .split("\n")
        .filter((line) => line !== "")
        .map((line): [number, number] => {
          const [id, pid] = line.split(" ").map(Number);
          return [id ?? -1, pid ?? -1];
        }),
    );
  }

  /** A client of its Kubernetes API. */
  async kube(): Promise<ReturnType<typeof createKubeClient>> {
    const credentials = await loadCredentials({ KUBECONFIG: this.kubeconfig });
    return createKubeClient({ ...credentials.client, scheduler: realScheduler });
  }

  /** Stops it and removes its folder. */
  async remove(): Promise<void> {
    await this.down();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What its processes logged last, for a report of what went wrong. */
export function lastLogLines(cluster: LocalCluster, count = LAST_LINES): string[] {
  const folder = path.join(cluster.directory, "logs");
  return readdirSync(folder).flatMap((name) => {
    const lines = readFileSync(path.join(folder, name), "utf8").trim().split("\n");
    return [`== ${name}`, ...lines.slice(-count)];
  });
}

/** Below the ports that the kernel gives to outgoing connections, of which there may be many. */
const FIRST_PORT = 12_000;
const END_PORT = 32_000;

/** The first of `count` ports in a row that are free; different processes begin to look at different places. */
export async function freePorts(count: number): Promise<number> {
  const range = END_PORT - FIRST_PORT - count;
  const start = (process.pid * 61) % range;
  for (let tried = 0; tried < range; tried += count) {
    const port = FIRST_PORT + ((start + tried) % range);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(port + at)));
    if (free.every(Boolean)) return port;
  }
  throw new Error("no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Waits until `look` gives something, at most `limit` ms. */
export async function eventually<T>(
  look: () => Promise<T | undefined>,
  what: string,
  limit = 30_000,
): Promise<T> {
  const deadline = performance.now() + limit;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`);
    await sleep(realScheduler, 50);
  }
}

/** What `promise` gives, if it does so within `limit` ms. */
export async function within<T>(limit: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${limit} ms: ${what}`));
    }, limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
