import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubeApi, Resource } from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";
import { startLocalApi, type LocalApi } from "../../local/api/server.ts";
import { startStatefulSetController } from "../../local/controllers/stateful-set-controller.ts";
import { startVolumeClaimsController } from "../../local/controllers/volume-claims-controller.ts";
import { FakeElections } from "./fake-elections.ts";
import { FakePods } from "./fake-pods.ts";
import { freePorts } from "./local-cluster.ts";

const root = path.resolve(import.meta.dirname, "../..");
const NAMESPACE = "default";
const LEASE = "forebay-operator";
const RESTART_MS = 500;

const customResourceDefinitions: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
};

/**
 * Operators as processes of their own, on the HTTP API of `forebay local`, with the StatefulSet and claim controllers, and
 * with pods and brokers that do what they ought to. All in real time; only the operators' calls go through `server`.
 */
export class HttpOperatorWorld {
  readonly kube: KubeApi;
  readonly pods: FakePods;
  /** With which code each operator's process ended by itself, in their order. */
  readonly ends: (number | null)[] = [];
  /** What operators said on standard error and output, the newest part of it. */
  output = "";
  readonly #local: LocalApi;
  readonly #directory: string;
  readonly #stops: (() => void)[] = [];
  readonly #operators = new Map<number, ChildProcess>();
  #stopped = false;

  private constructor(local: LocalApi, directory: string, cluster: string) {
    this.#local = local;
    this.#directory = directory;
    this.kube = local.api;
    const common = { scheduler: realScheduler, random: systemRandom, logger: silentLogger };
    const fakes = { ...common, kube: this.kube, namespace: NAMESPACE };
    const elections = new FakeElections(fakes);
    this.pods = new FakePods({ ...fakes, cluster });
    elections.start();
    this.pods.start();
    for (const one of [
      elections,
      this.pods,
      startStatefulSetController({ ...common, api: this.kube }),
      startVolumeClaimsController({ ...common, api: this.kube }),
    ]) {
      this.#stops.push(() => {
        one.stop();
      });
    }
  }

  /** @param cluster the BrokerCluster that has pods */
  static async start(cluster: string): Promise<HttpOperatorWorld> {
    const directory = mkdtempSync(path.join(tmpdir(), "forebay-operator-"));
    const local = await startLocalApi({
      directory: path.join(directory, "kubernetes"),
      ports: [0],
      host: "127.0.0.1",
      logger: silentLogger,
      scheduler: realScheduler,
      random: systemRandom,
    });
    // Where a proxy looks for the port of the API.
    writeFileSync(path.join(directory, "settings.json"), JSON.stringify({ apiPort: local.port }));
    for (const file of readdirSync(path.join(root, "crds"))) {
      for (const document of parseAllDocuments(
        readFileSync(path.join(root, "crds", file), "utf8"),
      )) {
        const object = document.toJS() as KubeObject;
        await local.api.apply(customResourceDefinitions, "", object, "test");
      }
    }
    return new HttpOperatorWorld(local, directory, cluster);
  }

  get port(): number {
    return this.#local.port;
  }

  /** Its folder, as that of a `forebay local`. */
  get directory(): string {
    return this.#directory;
  }

  /** An operator that is started again whenever it ends, as by a Deployment. @param server of the API, as it is told */
  async startOperator(server: string): Promise<void> {
    const id = this.#operators.size;
    const port = await freePorts(1);
    const start = (): void => {
      if (this.#stopped) return;
      const child = spawn(process.execPath, [path.join(root, "bin", "forebay.mjs"), "operator"], {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          FOREBAY_KUBE_SERVER: server,
          FOREBAY_NAMESPACE: NAMESPACE,
          FOREBAY_LEASE: LEASE,
          FOREBAY_BROKER_IMAGE: "forebay:1",
          FOREBAY_PORT_HTTP: String(port + id),
          POD_NAME: `operator-${id}`,
          POD_NAMESPACE: NAMESPACE,
        },
      });
      this.#operators.set(id, child);
      const keep = (chunk: Buffer): void => {
        this.output = (this.output + chunk.toString()).slice(-20_000);
      };
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      child.once("exit", (code) => {
        if (this.#stopped) return;
        this.ends.push(code);
        setTimeout(start, RESTART_MS);
      });
    };
    start();
  }

  all<T extends KubeObject>(resource: Resource<T>): readonly T[] {
    return this.#local.store.list(resource, NAMESPACE) as T[];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      [...this.#operators.values()].map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
      }),
    );
    for (const stop of this.#stops) stop();
    await this.#local.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
