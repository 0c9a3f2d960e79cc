import type { KubeApi } from "../../kube/api.ts";
import { createInformer } from "../../kube/informer.ts";
import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { MINUTE, SECOND, type Millis } from "../../lib/units.ts";
import type { PodLogs } from "../api/server.ts";
import { claims, isReady, pods } from "../workloads.ts";
import type { Container, Pod } from "../workloads.ts";
import { isPortFree } from "./free-ports.ts";
import { planPorts } from "./port-plan.ts";
import { PodLogFiles } from "./pod-log.ts";
import type { ProgramEntry } from "./pod-process.ts";
import { POD_IP } from "./pod-status.ts";
import { PodWorker, type PodWorkerOptions } from "./pod-worker.ts";
import { ProcessRecords } from "./process-records.ts";
import { Volumes } from "./volumes.ts";

export interface KubeletOptions {
  readonly api: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /** Of the whole local cluster: volumes, logs and records of processes are folders of it. */
  readonly directory: string;
  readonly kubeServer: string;
  readonly entry: ProgramEntry;
  readonly logs: PodLogFiles;
  /** Real ports that a pod must have, by the name of its port. */
  readonly fixedPort: (pod: Pod, portName: string) => number | undefined;
  /** Where other ports are taken from. */
  readonly portRange: readonly [first: number, last: number];
  readonly inherited: Readonly<Record<string, string>>;
}

export interface Kubelet {
  /** Ends all processes in order and leaves their pods for the next kubelet. */
  stop(): Promise<void>;
}

const ORPHAN_GRACE: Millis = 30 * SECOND;
const LOG_CHECK: Millis = MINUTE;

/** Runs all pods of the API as processes of this machine (edge). Resolves when what an earlier one left has ended. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const records = new ProcessRecords(options.directory);
  const orphans = await records.endOrphans(options.scheduler, ORPHAN_GRACE);
  if (orphans > 0) options.logger.warn("ended processes of an earlier run", { orphans });
  await forgetReadiness(options.api);
  const kubelet = new PodRunner(options, records);
  kubelet.start();
  return kubelet;
}

class PodRunner implements Kubelet {
  readonly #options: KubeletOptions;
  readonly #workerOptions: PodWorkerOptions;
  readonly #volumes: Volumes;
  readonly #pods: ReturnType<typeof createInformer<Pod>>;
  readonly #claims: { stop(): void };
  readonly #workers = new Map<string, PodWorker>();
  readonly #names = new WeakMap<PodWorker, string>();
  /** Ports by `namespace/name`: a pod's successor has the same as long as they are free. */
  readonly #ports = new Map<string, Record<string, number>>();
  #portsTurn: Promise<unknown> = Promise.resolve();
  #logTimer: Timer | undefined;
  #stopped = false;

  constructor(options: KubeletOptions, records: ProcessRecords) {
    this.#options = options;
    this.#volumes = new Volumes(options.directory);
    this.#workerOptions = {
      ...options,
      records,
      volumes: this.#volumes,
      portsOf: (pod, container) => this.#portsOf(pod, container),
    };
    const { api, scheduler, random, logger } = options;
    const informer = { api, scheduler, random, logger, namespace: "" };
    this.#pods = createInformer({ ...informer, resource: pods });
    this.#pods.onChange(({ type, object }) => {
      if (type === "DELETED") this.#workers.get(object.metadata.uid ?? "")?.forget();
      else this.#seen(object);
    });
    const claimCache = createInformer({ ...informer, resource: claims });
    claimCache.onChange(({ type, object }) => {
      if (type !== "DELETED") return;
      this.#volumes.removeClaim(object).catch((error: unknown) => {
        logger.warn("volume not removed", { claim: object.metadata.name, error: String(error) });
      });
    });
    claimCache.start();
    this.#claims = claimCache;
  }

  start(): void {
    this.#pods.start();
    this.#limitLogs();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#logTimer?.cancel();
    this.#pods.stop();
    this.#claims.stop();
    await Promise.all([...this.#workers.values()].map((worker) => worker.shutDown()));
  }

  #seen(pod: Pod): void {
    const { uid = "" } = pod.metadata;
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      known.changed(pod);
      return;
    }
    const [container] = pod.spec.containers;
    if (container === undefined || isOver(pod)) return;
    // The process of a pod of the same name that was removed by force must end first: it holds the volume.
    const before = [...this.#workers.values()].filter(
      (other) => this.#names.get(other) === nameOf(pod),
    );
    const worker = new PodWorker(pod, container, this.#workerOptions);
    this.#workers.set(uid, worker);
    this.#names.set(worker, nameOf(pod));
    void Promise.all(before.map((old) => old.ended)).then(() => {
      if (!this.#stopped) worker.start();
    });
    void worker.ended.then(() => {
      this.#workers.delete(uid);
    });
  }

  /** One after the other: two pods must not be given the same free port. */
  #portsOf(pod: Pod, container: Container): Promise<Record<string, number>> {
    const next = this.#portsTurn.then(async () => {
      const name = nameOf(pod);
      const taken = new Set(
        [...this.#ports]
          .filter(([other]) => other !== name)
          .flatMap(([, map]) => Object.values(map)),
      );
      const ports = await planPorts({
        pod,
        container,
        kept: this.#ports.get(name) ?? {},
        fixed: this.#options.fixedPort,
        taken,
        range: this.#options.portRange,
        isFree: (port) => isPortFree(port, POD_IP),
      });
      this.#ports.set(name, ports);
      return ports;
    });
    this.#portsTurn = next.catch(() => undefined);
    return next;
  }

  #limitLogs(): void {
    const { scheduler, logs, logger } = this.#options;
    this.#logTimer = scheduler.after(LOG_CHECK, () => {
      if (this.#stopped) return;
      for (const { metadata } of this.#pods.items().values()) {
        logs.limit(metadata.namespace ?? "default", metadata.name).catch((error: unknown) => {
          logger.warn("log not limited", { pod: metadata.name, error: String(error) });
        });
      }
      this.#limitLogs();
    });
  }
}

/** What an earlier kubelet wrote of its processes is not true of those to come. */
async function forgetReadiness(api: KubeApi): Promise<void> {
  const { items } = await api.list(pods, "");
  for (const pod of items.filter(isReady)) {
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === "Ready" || condition.type === "ContainersReady"
        ? { ...condition, status: "False" as const, reason: "ContainersNotReady" }
        : condition,
    );
    const status = { ...pod.status, conditions };
    const namespace = pod.metadata.namespace ?? "default";
    await api.replace(pods, namespace, { ...pod, status }, { subresource: "status" });
  }
}

/** `kubectl logs` from the files of the pods' processes. */
export function podLogsFrom(logs: PodLogFiles): PodLogs {
  return (namespace, pod, { follow, tailLines, previous, signal }) =>
    logs.read(logs.file(namespace, pod, previous), {
      ...(tailLines === undefined ? {} : { tailLines }),
      follow: () => follow && !signal.aborted,
      signal,
    });
}

function nameOf({ metadata }: Pod): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

function isOver({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}
