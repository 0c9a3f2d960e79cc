import type { KubeApi } from "../../kube/api.ts";
import { ConflictError, NotFoundError } from "../../kube/errors.ts";
import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { SECOND, type Millis } from "../../lib/units.ts";
import { claims, configMaps, pods, PORTS_ANNOTATION, secrets } from "../workloads.ts";
import type { ConfigMap, Container, Pod, Secret } from "../workloads.ts";
import { MissingReferenceError, processEnvironment } from "./container-environment.ts";
import { ContainerLifecycle, type LifecycleEffect } from "./container-lifecycle.ts";
import type { LifecycleEvent } from "./container-lifecycle.ts";
import { sendProbe } from "./http-probe.ts";
import { writePodEvent } from "./pod-events.ts";
import type { PodLogFiles } from "./pod-log.ts";
import { type PodProcess, type ProgramEntry, startPodProcess } from "./pod-process.ts";
import { podStatusOf } from "./pod-status.ts";
import type { ProcessRecords } from "./process-records.ts";
import type { Volumes } from "./volumes.ts";

export interface PodWorkerOptions {
  readonly api: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly entry: ProgramEntry;
  readonly kubeServer: string;
  readonly volumes: Volumes;
  readonly logs: PodLogFiles;
  readonly records: ProcessRecords;
  /** Real ports for the container's named ones; the same answer for the same pod name while it can be kept. */
  readonly portsOf: (pod: Pod, container: Container) => Promise<Record<string, number>>;
  /** Environment variables of this process that containers also have. */
  readonly inherited: Readonly<Record<string, string>>;
}

/** Something a container needs is not there yet. */
const RETRY_MISSING: Millis = 25;
const RETRY_FAILED: Millis = 2 * SECOND;
const DEFAULT_GRACE_SECONDS = 30;
const STATUS_ATTEMPTS = 10;

/** One pod of one uid from its binding to its end (edge): carries out what its ContainerLifecycle decides. */
export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #container: Container;
  readonly #lifecycle: ContainerLifecycle;
  readonly ended: Promise<void>;
  #pod: Pod;
  #end: () => void = () => undefined;
  #process: PodProcess | undefined;
  #ports: Readonly<Record<string, number>> = {};
  #timer: Timer | undefined;
  #publishing: Promise<void> | undefined;
  #publishAgain = false;
  /** The API object is gone: there is nobody to report to. */
  #forgotten = false;

  constructor(pod: Pod, container: Container, options: PodWorkerOptions) {
    this.#options = options;
    this.#pod = pod;
    this.#container = container;
    const grace = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    const before = pod.status?.containerStatuses?.find(({ name }) => name === container.name);
    this.#lifecycle = new ContainerLifecycle(
      container,
      options.scheduler.now(),
      grace * SECOND,
      before,
    );
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  start(): void {
    this.#step({ kind: "tick" });
    if (this.#pod.metadata.deletionTimestamp !== undefined) this.changed(this.#pod);
  }

  /** The API shows another state of the pod. */
  changed(pod: Pod): void {
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp === undefined) return;
    const { deletionGracePeriodSeconds, name } = pod.metadata;
    const seconds =
      deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    this.#options.logger.debug("pod ends", { pod: name, seconds });
    this.#step({ kind: "terminate", grace: seconds * SECOND });
  }

  /** The object is gone from the API without our doing (a forced deletion): the process is killed. */
  forget(): void {
    this.#forgotten = true;
    this.#step({ kind: "terminate", grace: 0 });
  }

  /** This kubelet stops: the process ends in order, the object stays for the next one. */
  async shutDown(): Promise<void> {
    this.#forgotten = true;
    const grace = this.#pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    this.#step({ kind: "terminate", grace: grace * SECOND });
    await this.ended;
  }

  #step(event: LifecycleEvent): void {
    const { scheduler } = this.#options;
    for (const effect of this.#lifecycle.step(event, scheduler.now(), scheduler.wallNow())) {
      this.#perform(effect);
    }
    this.#timer?.cancel();
    const { dueAt } = this.#lifecycle;
    if (dueAt === undefined) return;
    this.#timer = scheduler.after(dueAt - scheduler.now(), () => {
      this.#step({ kind: "tick" });
    });
  }

  #perform(effect: LifecycleEffect): void {
    switch (effect.kind) {
      case "spawn":
        void this.#spawn();
        return;
      case "signal":
        this.#process?.signal(effect.signal);
        // A frozen process would never see SIGTERM.
        if (effect.signal === "SIGTERM") this.#process?.signal("SIGCONT");
        return;
      case "probe": {
        const probe = this.#container[`${effect.probe}Probe`];
        if (probe === undefined) return;
        void sendProbe(probe, this.#ports, effect.timeoutMs).then(({ ok, message }) => {
          this.#step({ kind: "probed", run: effect.run, probe: effect.probe, ok, message });
        });
        return;
      }
      case "publish":
        this.#publish();
        return;
      case "event":
        if (this.#forgotten) return;
        writePodEvent(this.#options, this.#pod, effect).catch((error: unknown) => {
          this.#options.logger.debug("event not written", { error: String(error) });
        });
        return;
      case "gone":
        void this.#finish();
        return;
    }
  }

  async #spawn(): Promise<void> {
    const { entry, logs, records } = this.#options;
    const { namespace = "default", name, uid = "" } = this.#pod.metadata;
    try {
      const environment = await this.#prepare();
      const output = logs.openForRun(namespace, name);
      try {
        this.#process = await startPodProcess(entry, environment, output.fd, (code, signal) => {
          this.#process = undefined;
          records.remove({ namespace, pod: name });
          this.#step({ kind: "exited", exitCode: code, signal });
        });
      } finally {
        output.close();
      }
      records.write({ ...this.#process.identity, namespace, pod: name, uid });
      this.#step({ kind: "spawned" });
    } catch (error) {
      const missing = error instanceof MissingReferenceError;
      const message = error instanceof Error ? error.message : String(error);
      if (!missing) this.#options.logger.warn("a container cannot start", { pod: name, message });
      this.#step({
        kind: "notStarted",
        reason: missing ? "CreateContainerConfigError" : "CreateContainerError",
        message,
        retry: missing ? RETRY_MISSING : RETRY_FAILED,
      });
    }
  }

  /** Mounts, ports and environment. @throws MissingReferenceError for what is not there yet */
  async #prepare(): Promise<ReturnType<typeof processEnvironment>> {
    const { api, volumes, portsOf, kubeServer, inherited } = this.#options;
    const pod = this.#pod;
    const { namespace = "default" } = pod.metadata;
    const [configMapList, secretList] = await Promise.all([
      api.list(configMaps, namespace),
      api.list(secrets, namespace),
    ]);
    const byName = <T extends ConfigMap | Secret>(items: readonly T[]) => {
      const map = new Map(items.map((item) => [item.metadata.name, item]));
      return (wanted: string): T | undefined => map.get(wanted);
    };
    const sources = {
      configMap: byName<ConfigMap>(configMapList.items),
      secret: byName<Secret>(secretList.items),
    };
    const folders = new Map<string, string>();
    let dataFolder: string | undefined;
    for (const volume of pod.spec.volumes ?? []) {
      const claimName = volume.persistentVolumeClaim?.claimName;
      if (claimName !== undefined) {
        const folder = await this.#mountClaim(namespace, claimName);
        folders.set(volume.name, folder);
        dataFolder ??= folder;
        continue;
      }
      const folder = await volumes.mount(pod, volume, sources);
      if (folder !== undefined) folders.set(volume.name, folder);
    }
    this.#ports = await portsOf(pod, this.#container);
    await this.#annotatePorts();
    return processEnvironment({
      pod,
      container: this.#container,
      ...sources,
      volumes: folders,
      dataFolder,
      ports: this.#ports,
      kubeServer,
      inherited,
    });
  }

  async #mountClaim(namespace: string, name: string): Promise<string> {
    const { api, volumes } = this.#options;
    try {
      const claim = await api.get(claims, namespace, name);
      if (claim.status?.phase !== "Bound") {
        throw new MissingReferenceError(`persistentvolumeclaim "${name}" is not bound`);
      }
      return await volumes.mountClaim(claim);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      throw new MissingReferenceError(`persistentvolumeclaim "${name}" not found`);
    }
  }

  /** The endpoints controller needs the real ports. */
  async #annotatePorts(): Promise<void> {
    const text = JSON.stringify(this.#ports);
    if (this.#pod.metadata.annotations?.[PORTS_ANNOTATION] === text) return;
    await this.#update((pod) => ({
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: { ...pod.metadata.annotations, [PORTS_ANNOTATION]: text },
      },
    }));
  }

  /** Writes the newest view; while one write is under way others are one. */
  #publish(): void {
    if (this.#publishing !== undefined) {
      this.#publishAgain = true;
      return;
    }
    if (this.#forgotten) return;
    this.#publishing = this.#update(
      (pod) => ({
        ...pod,
        status: podStatusOf(
          pod,
          this.#container,
          this.#lifecycle.view(),
          this.#options.scheduler.wallNow(),
        ),
      }),
      "status",
    )
      .catch((error: unknown) => {
        this.#options.logger.warn("pod status not written", {
          pod: this.#pod.metadata.name,
          error: String(error),
        });
      })
      .finally(() => {
        this.#publishing = undefined;
        if (!this.#publishAgain) return;
        this.#publishAgain = false;
        this.#publish();
      });
  }

  /** Compare-and-swap with as many attempts as others may spoil; nothing when the pod is gone or another one. */
  async #update(change: (pod: Pod) => Pod, subresource?: "status"): Promise<void> {
    const { api } = this.#options;
    const { namespace = "default", name, uid } = this.#pod.metadata;
    for (let attempt = 1; ; attempt++) {
      try {
        const now = await api.get(pods, namespace, name);
        if (now.metadata.uid !== uid) return;
        const options = subresource === undefined ? {} : { subresource };
        this.#pod = await api.replace(pods, namespace, change(now), options);
        return;
      } catch (error) {
        if (error instanceof NotFoundError) return;
        if (!(error instanceof ConflictError) || attempt === STATUS_ATTEMPTS) throw error;
      }
    }
  }

  /** No process is left: the object may go. */
  async #finish(): Promise<void> {
    this.#timer?.cancel();
    const { api, volumes, logger } = this.#options;
    const { namespace = "default", name, uid } = this.#pod.metadata;
    try {
      await this.#publishing;
      if (!this.#forgotten) {
        await api.delete(pods, namespace, name, {
          gracePeriodSeconds: 0,
          ...(uid === undefined ? {} : { uid }),
        });
      }
      await volumes.removePod(namespace, name);
    } catch (error) {
      if (!(error instanceof NotFoundError) && !(error instanceof ConflictError)) {
        logger.warn("pod not removed", { pod: name, error: String(error) });
      }
    } finally {
      this.#end();
    }
  }
}
