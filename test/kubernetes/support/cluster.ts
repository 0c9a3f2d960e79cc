import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createKubeClient } from "../../../kube/client.ts";
import { loadCredentials } from "../../../kube/credentials.ts";
import { realScheduler } from "../../../lib/clock.ts";
import type { PodObject } from "../../../operator/resources/workloads.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const harness = path.join(root, "test", "kubernetes", "harness");
const MAX_OUTPUT = 64 * 1024 * 1024;
const run = promisify(execFile);

/** For a machine that has to compile Kubernetes first. */
const START_TIMEOUT_MS = 1_800_000;

export type Kube = ReturnType<typeof createKubeClient>;

/** A Kubernetes for the tests: the harness's, or one that somebody has. */
export interface TestKubernetes {
  readonly kube: Kube;
  /** Image of operator and brokers, without its tag, and the tag; there on every node. */
  readonly image: { readonly repository: string; readonly tag: string };
  /** Its harness, if it is of it. */
  readonly harness: Harness | undefined;
  kubectl(...args: readonly string[]): Promise<string>;
  /** kubectl with something on its standard input. */
  kubectlWith(input: string, ...args: readonly string[]): Promise<string>;
  helm(...args: readonly string[]): Promise<string>;
}

/** What only the harness can do. */
export interface Harness {
  readonly directory: string;
  /** Runs a command among the processes of node `node1`, say. */
  onNode(node: string, ...command: readonly string[]): Promise<string>;
  /** Runs a command of this machine beside the nodes, outside of all pods, where nodes have their addresses. */
  beside(...command: readonly string[]): Promise<string>;
  /** The same command and its arguments, for who wants to start it. */
  besideCommand(...command: readonly string[]): readonly string[];
  /** Ends the processes of a pod's first container by SIGKILL. */
  killContainer(pod: PodObject): Promise<void>;
  /** Takes a node's power, boots it again; pulls its network cable, puts it back. */
  change(node: string, how: "stop" | "start" | "cut" | "heal"): Promise<void>;
}

let started: Promise<TestKubernetes> | undefined;
let end = (): Promise<void> => Promise.resolve();

/**
 * Why there is no Kubernetes for the tests, if there is none. It takes CI with root, which builds and starts the harness,
 * or asking for this suite by name: with KUBECONFIG then, it runs there, with the image FOREBAY_IMAGE; with
 * FOREBAY_HARNESS in the harness's cluster in that folder, which is kept.
 */
function unavailable(): string | undefined {
  const isRoot = process.getuid?.() === 0;
  const { CI, FOREBAY_SUITE, KUBECONFIG } = process.env;
  if (FOREBAY_SUITE === "kubernetes" && (KUBECONFIG !== undefined || isRoot)) return undefined;
  if (CI === "true" && isRoot) return undefined;
  return `a real Kubernetes is built and started only on CI as root, or by "npm run test:kubernetes"`;
}

/** The same one for all files of the suite. */
export function testKubernetes(): Promise<TestKubernetes> {
  started ??= start();
  return started;
}

/** For a suite's `before`: its Kubernetes. The suite is skipped where there is none. */
export function kubernetesFor(hook: Mocha.Context): Promise<TestKubernetes> {
  hook.timeout(START_TIMEOUT_MS);
  const reason = unavailable();
  if (reason !== undefined) skip(hook, reason);
  return testKubernetes();
}

/** What only the harness can do. A test is skipped on another Kubernetes, which lacks what `missing` says. */
export function harnessFor(
  test: Mocha.Context,
  { harness: found }: TestKubernetes,
  missing: string,
): Harness {
  return found ?? skip(test, missing);
}

/** Ends a test, or a suite from its `before`, with a printed reason. */
export function skip(context: Mocha.Context, reason: string): never {
  console.log(`    skipped: ${reason}`);
  return context.skip();
}

/** Makes namespaces in which every pod must fit the Pod Security Standard `restricted`. */
export async function makeNamespaces(
  { kubectl }: TestKubernetes,
  ...names: readonly string[]
): Promise<void> {
  for (const name of names) {
    await kubectl("create", "namespace", name);
    await kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted");
  }
}

// A hook of the whole run: when the last file has ended.
after(async function () {
  this.timeout(60_000);
  await end();
});

async function start(): Promise<TestKubernetes> {
  const { KUBECONFIG, FOREBAY_SUITE, FOREBAY_IMAGE } = process.env;
  if (FOREBAY_SUITE === "kubernetes" && KUBECONFIG !== undefined) {
    const [, repository, tag] = /^(.+):([^:/]+)$/.exec(FOREBAY_IMAGE ?? "") ?? [];
    if (repository === undefined || tag === undefined) {
      throw new Error("FOREBAY_IMAGE must name the image as name:tag");
    }
    return connect(KUBECONFIG, { repository, tag }, undefined, process.env["PATH"] ?? "");
  }
  const cache = process.env["KUBE_CACHE"] ?? path.join(homedir(), ".cache", "kube-e2e");
  await say("build", path.join(harness, "build"));
  const kept = process.env["FOREBAY_HARNESS"];
  const directory = kept ?? mkdtempSync(path.join(tmpdir(), "forebay-kubernetes-"));
  end = async () => {
    if (kept !== undefined) return;
    await run(path.join(harness, "down"), [directory]);
    rmSync(directory, { recursive: true, force: true });
  };
  await say("start", path.join(harness, "up"), "--nodes", "3", directory);
  const archive = path.join(directory, "forebay.tar");
  await say(
    "pack the image",
    process.execPath,
    path.join(root, "scripts/image.mjs"),
    "--output",
    archive,
  );
  await say("load the image", path.join(harness, "load"), directory, archive);
  const onNode = async (node: string, ...command: readonly string[]): Promise<string> => {
    const args = [directory, "--node", node.replace("node", ""), ...command];
    return (await run(path.join(harness, "enter"), args, { maxBuffer: MAX_OUTPUT })).stdout;
  };
  return connect(
    path.join(directory, "kubeconfig"),
    { repository: "localhost/forebay", tag: "dev" },
    {
      directory,
      change: async (node, how) => {
        await run(path.join(harness, "node"), [how, directory, node.replace("node", "")]);
      },
      beside: async (...command) =>
        (await run(path.join(harness, "enter"), [directory, ...command], { maxBuffer: MAX_OUTPUT }))
          .stdout,
      besideCommand: (...command) => [path.join(harness, "enter"), directory, ...command],
      onNode,
      killContainer: async (pod) => {
        const { nodeName = "" } =
          (pod as { readonly spec?: { readonly nodeName?: string } }).spec ?? {};
        const [container] = pod.status?.containerStatuses ?? [];
        const { containerID = "" } = (container ?? {}) as { readonly containerID?: string };
        const id = containerID.replace("containerd://", "");
        const task = ["task", "kill", "--signal", "SIGKILL", id];
        await onNode(nodeName, "ctr", "--namespace", "k8s.io", ...task);
      },
    },
    `${cache}:${process.env["PATH"] ?? ""}`,
  );
}

async function connect(
  kubeconfig: string,
  image: TestKubernetes["image"],
  of: Harness | undefined,
  PATH: string,
): Promise<TestKubernetes> {
  const env = { ...process.env, KUBECONFIG: kubeconfig, PATH };
  const { client } = await loadCredentials({ KUBECONFIG: kubeconfig });
  const kube = createKubeClient({ ...client, scheduler: realScheduler });
  const before = end;
  end = async () => {
    kube.close();
    await before();
  };
  const tool =
    (name: string) =>
    async (...args: readonly string[]): Promise<string> =>
      (await run(name, args, { env, cwd: root, maxBuffer: MAX_OUTPUT })).stdout;
  return {
    kube,
    image,
    harness: of,
    kubectl: tool("kubectl"),
    helm: tool("helm"),
    kubectlWith: (input, ...args) =>
      new Promise((resolve, reject) => {
        const child = execFile(
          "kubectl",
          args,
          { env, maxBuffer: MAX_OUTPUT },
          (error, stdout, stderr) => {
            if (error === null) resolve(stdout);
            else reject(new Error(`kubectl ${args.join(" ")}: ${stderr}`, { cause: error }));
          },
        );
        child.stdin?.end(input);
      }),
  };
}

/** A step that takes some time: its output is shown only when it fails. */
async function say(what: string, command: string, ...args: readonly string[]): Promise<void> {
  const began = performance.now();
  // A silent node counts as lost after this; Kubernetes' own 50 s would only make tests longer.
  const env = { KUBE_NODE_LOSS_SECONDS: "12", ...process.env };
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (code !== 0) throw new Error(`${what} failed after ${seconds} s:\n${output}`);
  console.log(`    ${what}: ${seconds} s`);
}
