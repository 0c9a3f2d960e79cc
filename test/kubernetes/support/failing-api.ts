import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Mood } from "../../faults/api-proxy.ts";
import type { Harness } from "./cluster.ts";

const MAIN = path.join(import.meta.dirname, "failing-api-main.ts");
/** Where the harness's pods have their addresses. */
const PODS = "10.244.0.0/16";
const TABLE = "forebay-api";

/**
 * A proxy between the pods of the harness's cluster and its API server. Pods notice nothing of it: a rule of the network
 * leads them there on their way. Nodes, the control plane and the tests go straight to the API server.
 */
export class FailingApi {
  readonly #harness: Harness;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string, undefined>;

  private constructor(harness: Harness, process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#harness = harness;
    this.#process = process;
    this.#answers = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  /** To be called before the pods are there: connections that they have are left as they are. */
  static async start(harness: Harness, seed: number): Promise<FailingApi> {
    const { directory } = harness;
    const kubeconfig = readFileSync(path.join(directory, "kubeconfig"), "utf8");
    const port = /server: "?https:\/\/127\.0\.0\.1:(\d+)/.exec(kubeconfig)?.[1];
    assert.ok(port !== undefined, "the port of the API server");
    const [command = "", ...args] = harness.besideCommand(
      ...[process.execPath, MAIN, path.join(directory, "pki"), port, String(seed)],
    );
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const api = new FailingApi(harness, child);
    const proxyPort = await api.#answer();
    await harness.beside(
      "nft",
      `add table ip ${TABLE}
       add chain ip ${TABLE} pods { type nat hook prerouting priority dstnat - 10 ; }
       add rule ip ${TABLE} pods ip saddr ${PODS} tcp dport ${port} redirect to :${proxyPort}`,
    );
    return api;
  }

  /** @returns how many requests were spoilt so far, by mood */
  mood(mood: Mood): Promise<Readonly<Record<string, number>>> {
    return this.#ask(mood);
  }

  /** Ends all watches that are open. */
  async breakWatches(): Promise<void> {
    await this.#ask("break");
  }

  /** The pods' connections end with it. */
  async stop(): Promise<void> {
    await this.#harness.beside("nft", "delete", "table", "ip", TABLE);
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin.end();
    await ended;
  }

  async #ask(line: string): Promise<Readonly<Record<string, number>>> {
    this.#process.stdin.write(`${line}\n`);
    return JSON.parse(await this.#answer()) as Readonly<Record<string, number>>;
  }

  async #answer(): Promise<string> {
    const { value } = await this.#answers.next();
    assert.ok(value !== undefined, "the proxy has ended");
    return value;
  }
}
