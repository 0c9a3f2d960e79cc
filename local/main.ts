import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BrokerCluster } from "../cluster/broker-cluster.ts";
import { configProblem } from "../broker/config.ts";
import { API_VERSION, brokerClusters } from "../cluster/resources.ts";
import type { KubeApi, Resource } from "../kube/api.ts";
import { ConflictError, NotFoundError } from "../kube/errors.ts";
import { createInformer } from "../kube/informer.ts";
import { realScheduler } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { createLogger } from "../lib/winston-logger.ts";
import { startOperator } from "../operator/operator.ts";
import { startLocalApi } from "./api/server.ts";
import { startEndpointsController } from "./controllers/endpoints-controller.ts";
import { startStatefulSetController } from "./controllers/stateful-set-controller.ts";
import { startVolumeClaimsController } from "./controllers/volume-claims-controller.ts";
import { readCustomResources } from "./custom-resources.ts";
import { InstanceFile, LOCAL_CLUSTER } from "./instance.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { isPortFree } from "./kubelet/free-ports.ts";
import { podLogsFrom, startKubelet } from "./kubelet/kubelet.ts";
import { PodLogFiles } from "./kubelet/pod-log.ts";
import type { ProgramEntry } from "./kubelet/pod-process.ts";
import { POD_IP } from "./kubelet/pod-status.ts";
import { ProcessRecords } from "./kubelet/process-records.ts";
import { identityOf } from "./process-identity.ts";
import { readSettings, writeSettings } from "./settings.ts";
import { summary } from "./summary.ts";
import { isReady, pods } from "./workloads.ts";
import type { Pod } from "./workloads.ts";

export interface LocalOptions {
  readonly directory: string;
  /** Absent: as many as the folder has, or 3. */
  readonly brokers: number | undefined;
  /** Absent: as the folder has it, or 9092. */
  readonly port: number | undefined;
}

const DEFAULT_BROKERS = 3;
const DEFAULT_PORT = 9092;
/** The first port tried for the Kubernetes API of a new folder. */
const FIRST_API_PORT = 16_443;
const LAST_API_PORT = 16_999;
/** Where ports that nobody has to know come from. */
const OTHER_PORTS: readonly [number, number] = [17_000, 19_999];
const NAMESPACE = "default";
const FIELD_MANAGER = "forebay-local";
/**
 * What a broker's memory may grow by, as in the image. Young objects take 16 MiB at most, half of what Node allows: after a
 * burst (2,000 partitions made at once) nothing gives it back. And old ones are looked through when they have grown by two
 * fifths since the last time, where Node waits for up to four times as much: what thousands of waiting fetches leave among
 * them is garbage.
 */
const MEMORY_FLAGS = ["--max-semi-space-size=16", "--heap-growing-percent=40"];
/** Environment variables of this process that brokers have as well. */
const INHERITED = [
  "PATH",
  "HOME",
  "TMPDIR",
  "TZ",
  "LANG",
  "FOREBAY_LOG_LEVEL",
  "FOREBAY_ENTRY",
  "NODE_OPTIONS",
];

const customResourceDefinitions: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
};

/**
 * `forebay local` (edge): the mini Kubernetes API, its controllers, the kubelet and the operator in this process, and
 * broker processes. Resolves when everything has stopped in order after SIGINT or SIGTERM.
 * @throws Error with one line for the user when it cannot start
 */
export async function runLocal(options: LocalOptions): Promise<void> {
  const started = performance.now();
  const instance = new InstanceFile(options.directory);
  instance.take();
  const own = identityOf(process.pid) ?? { pid: process.pid, started: "" };
  const stop = stopSignal();
  try {
    const running = await start(options, stop);
    try {
      if (await Promise.race([running.ready.then(() => true), stop.then(() => false)])) {
        const text = running.summary(performance.now() - started);
        instance.write({ ...own, state: "ready", text });
        process.stdout.write(text);
        await stop;
      }
    } finally {
      process.stdout.write("stopping\n");
      await running.stop();
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    instance.write({ ...own, state: "failed", text });
    throw error;
  }
  instance.remove();
}

/** Resolves at the first SIGINT or SIGTERM; at the second the process ends at once, and its brokers by themselves later. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    process.on("SIGHUP", onSignal);
  });
}

interface Running {
  /** All brokers are ready. */
  readonly ready: Promise<void>;
  summary(tookMs: number): string;
  stop(): Promise<void>;
}

async function start(options: LocalOptions, stopping: Promise<void>): Promise<Running> {
  const { directory } = options;
  const settings = readSettings(directory);
  const port = options.port ?? settings.port ?? DEFAULT_PORT;
  const scheduler = realScheduler;
  const random = systemRandom;
  const logger = createLogger({
    level: process.env["FOREBAY_LOG_LEVEL"] ?? "warn",
    format: "text",
  });
  const logs = new PodLogFiles(directory, scheduler);
  const common = { scheduler, random, logger };
  const local = await startLocalApi({
    ...common,
    directory: path.join(directory, "kubernetes"),
    ports: portsForApi(settings.apiPort),
    host: POD_IP,
    podLogs: podLogsFrom(logs),
  });
  const { api } = local;
  try {
    await applyCustomResources(api);
    const brokers = await declareCluster(api, options.brokers);
    await requireFree(directory, port, brokers);
    writeSettings(directory, { port, apiPort: local.port });
    const config = path.join(directory, "kubeconfig");
    writeFileSync(config, kubeconfig(local.url), { mode: 0o600 });
    chmodSync(config, 0o600);

    const controllers = [
      startStatefulSetController({ ...common, api }),
      startVolumeClaimsController({ ...common, api }),
      startEndpointsController({ ...common, api }),
    ];
    const operator = startOperator({
      ...common,
      kube: api,
      namespace: "",
      brokerImage: "forebay",
      configProblem,
    });
    const kubelet = await startKubelet({
      ...common,
      api,
      directory,
      kubeServer: local.url,
      entry: ownProgram(),
      logs,
      fixedPort: (pod, name) => (name === "plaintext" ? clientPort(pod, port) : undefined),
      portRange: OTHER_PORTS,
      inherited: inherited(),
    });
    return {
      ready: brokersReady(api, common, brokers, stopping),
      summary: (tookMs) => summary({ brokers, port, directory, tookMs }),
      async stop() {
        for (const controller of controllers) controller.stop();
        operator.stop();
        await kubelet.stop();
        await local.close();
      },
    };
  } catch (error) {
    await local.close();
    throw error;
  }
}

async function applyCustomResources(api: KubeApi): Promise<void> {
  const documents = await readCustomResources(packageRoot());
  await Promise.all(
    documents.map((document) => api.apply(customResourceDefinitions, "", document, FIELD_MANAGER)),
  );
}

/** The cluster as the folder has it, with another number of brokers if one was asked for. @returns the number */
async function declareCluster(api: KubeApi, asked: number | undefined): Promise<number> {
  for (;;) {
    try {
      const now = await api.get(brokerClusters, NAMESPACE, LOCAL_CLUSTER);
      if (asked === undefined || asked === now.spec.brokers) return now.spec.brokers;
      const next: BrokerCluster = { ...now, spec: { ...now.spec, brokers: asked } };
      await api.replace(brokerClusters, NAMESPACE, next);
      return asked;
    } catch (error) {
      if (error instanceof ConflictError) continue;
      if (!(error instanceof NotFoundError)) throw error;
    }
    const brokers = asked ?? DEFAULT_BROKERS;
    await api.create(brokerClusters, NAMESPACE, newCluster(brokers));
    return brokers;
  }
}

function newCluster(brokers: number): BrokerCluster {
  const replicas = String(Math.min(3, brokers));
  return {
    apiVersion: API_VERSION,
    kind: "BrokerCluster",
    metadata: { name: LOCAL_CLUSTER, namespace: NAMESPACE },
    spec: {
      brokers,
      config: {
        "auto.create.topics.enable": "true",
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        // Somebody waits in front of the screen; a service with many members wants Kafka's 3 s.
        "group.initial.rebalance.delay.ms": "0",
      },
    },
  };
}

/** Client ports must be where the user expects them. Those of our own left-over brokers will be. */
async function requireFree(directory: string, first: number, brokers: number): Promise<void> {
  if (new ProcessRecords(directory).running().length > 0) return;
  for (let port = first; port < first + brokers; port++) {
    if (await isPortFree(port, POD_IP)) continue;
    throw new Error(`port ${String(port)} is in use; choose others with --port`);
  }
}

function portsForApi(kept: number | undefined): number[] {
  const count = LAST_API_PORT - FIRST_API_PORT + 1;
  const usual = Array.from({ length: count }, (_, at) => FIRST_API_PORT + at);
  return kept === undefined ? usual : [kept, ...usual];
}

/** Broker n of the cluster that this program made has the first port plus n. */
function clientPort({ metadata }: Pod, first: number): number | undefined {
  const match = new RegExp(`^${LOCAL_CLUSTER}-(\\d+)$`).exec(metadata.name);
  if (match === null || metadata.namespace !== NAMESPACE) return undefined;
  return first + Number(match[1]);
}

function brokersReady(
  api: KubeApi,
  common: Pick<Parameters<typeof createInformer>[0], "scheduler" | "random" | "logger">,
  brokers: number,
  stopping: Promise<void>,
): Promise<void> {
  return new Promise((resolve) => {
    const informer = createInformer({ ...common, api, resource: pods, namespace: NAMESPACE });
    const look = (): void => {
      for (let id = 0; id < brokers; id++) {
        const pod = informer.get(`${LOCAL_CLUSTER}-${String(id)}`);
        if (pod === undefined || !isReady(pod)) return;
      }
      informer.stop();
      resolve();
    };
    informer.onChange(look);
    informer.start();
    void stopping.then(() => {
      informer.stop();
    });
  });
}

/** This program, as it was started itself. */
function ownProgram(): ProgramEntry {
  const script = process.argv[1];
  if (script === undefined) throw new Error("this program does not know its own file");
  const args = [...MEMORY_FLAGS, ...process.execArgv, path.resolve(script)];
  return { command: process.execPath, args };
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Of the sources, or of the compiled product in dist/. */
function packageRoot(): string {
  const above = path.resolve(import.meta.dirname, "..");
  return path.basename(above) === "dist" ? path.dirname(above) : above;
}
