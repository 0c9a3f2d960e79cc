import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { listBrokers } from "../../local/instance.ts";
import { forebay } from "../../test/support/local-cluster.ts";
import { delayBuckets } from "./delay-buckets.ts";
import type { Side } from "./side.ts";

const FIRST_PORT = 29_092;

/** `forebay local`: brokers, operator and Kubernetes API as it is started on a laptop; only the brokers are measured. */
export function forebaySide(nodes: number, folder: string): Side {
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await forebay(["local", ...args, "--dir", folder]);
    if (code !== 0) throw new Error(`forebay local ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const pids = async (): Promise<readonly number[]> => {
    // From its files, as those of the peers are: a process that says them would count as part of what is measured.
    return (await listBrokers(folder)).map(({ pid }) => pid);
  };
  return {
    name: "forebay",
    protocol: "kafka",
    firstId: 0,
    nodes,
    folder,
    bootstrap: Array.from({ length: nodes }, (_, id) => `127.0.0.1:${FIRST_PORT + id}`).join(","),
    async start() {
      const at = BigInt(Date.now()) * 1_000_000n;
      const args = ["--brokers", String(nodes), "--port", String(FIRST_PORT), "--detach"];
      const { code, stderr } = await forebay(["local", "--dir", folder, ...args]);
      if (code !== 0) throw new Error(`forebay local: ${stderr}`);
      return at;
    },
    pids,
    async loopDelay() {
      return delayBuckets(await Promise.all((await pids()).map(metricsOf)));
    },
    async stop() {
      await run("stop");
    },
    async remove() {
      await run("stop");
      for (const line of errorsIn(path.join(folder, "logs"))) process.stderr.write(`${line}\n`);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a broker's process tells on its HTTP port, which its environment names. */
async function metricsOf(pid: number): Promise<string> {
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  const port = environment.find((one) => one.startsWith("FOREBAY_PORT_HTTP="))?.split("=")[1];
  const response = await fetch(`http://127.0.0.1:${port ?? "8080"}/metrics`);
  return response.text();
}

/** What went wrong in a side is part of its figures. */
function errorsIn(logs: string): string[] {
  return readdirSync(logs).flatMap((name) =>
    readFileSync(path.join(logs, name), "utf8")
      .split("\n")
      .filter((line) => line.includes('"level":"error"')),
  );
}
