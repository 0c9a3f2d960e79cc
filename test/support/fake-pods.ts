import { API_VERSION, BROKER_ID_LABEL, brokers, CLUSTER_LABEL } from "../../cluster/resources.ts";
import { NO_LEADER, type PartitionState } from "../../cluster/partition-slice.ts";
import { leadershipShards, partitionSlices } from "../../cluster/resources.ts";
import {
  type LeadershipShard,
  parseState,
  recordKey,
  stateText,
} from "../../cluster/leadership-shard.ts";
import type { KubeApi } from "../../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../kube/errors.ts";
import { createInformer } from "../../kube/informer.ts";
import type { Scheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { pods, type Pod } from "../../local/workloads.ts";
import { changeObject } from "./change-object.ts";

/** How long parts of a broker's life take, in virtual milliseconds. */
const POD_START = 200;
const POD_STOP = 100;
const CATCH_UP = 300;

export interface FakePodsOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  /** The BrokerCluster whose pods they are. */
  readonly cluster: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Whether a pod can run; one that cannot stays in ImagePullBackOff. */
  readonly runs?: (pod: Pod) => boolean;
}

/** Pods with brokers that do what they ought to: get ready, register, leave and join the in-sync replicas. */
export class FakePods {
  /** Brokers in the order in which their pods were seen to go. */
  readonly restarts: number[] = [];
  /** Brokers that do not come back in sync after a restart. */
  readonly lagging = new Set<number>();
  /** Address of the node on which a broker's pod starts; the node is called `node-<address>`. */
  readonly hosts = new Map<number, string>();
  /** The least number of brokers that were ready at one time, since it was set. */
  leastReady = Number.POSITIVE_INFINITY;
  readonly #options: FakePodsOptions;
  #stop: () => void = () => undefined;

  constructor(options: FakePodsOptions) {
    this.#options = options;
  }

  start(): void {
    const { kube, namespace, scheduler, random } = this.#options;
    const common = { api: kube, namespace, scheduler, random, logger: silentLogger };
    const cache = createInformer({ ...common, resource: pods });
    const starting = new Set<string>();
    const stopping = new Set<string>();
    cache.onChange(({ object, type }) => {
      const ready = [...cache.items().values()].filter(isReady).length;
      this.leastReady = Math.min(this.leastReady, ready);
      const uid = object.metadata.uid ?? "";
      if (type === "DELETED") return;
      if (object.metadata.deletionTimestamp !== undefined) {
        if (!stopping.has(uid)) this.#background(this.#end(object));
        stopping.add(uid);
      } else if (!starting.has(uid)) {
        starting.add(uid);
        this.#background(this.#begin(object));
      }
    });
    cache.start();
    this.#stop = () => {
      cache.stop();
    };
  }

  stop(): void {
    this.#stop();
  }

  async #begin(pod: Pod): Promise<void> {
    const { kube, namespace, runs: canRun } = this.#options;
    const { name } = pod.metadata;
    const runs = canRun?.(pod) ?? true;
    const nodeName = `node-${this.hosts.get(ordinal(name)) ?? ""}`;
    await kube.replace(pods, namespace, { ...pod, spec: { ...pod.spec, nodeName } });
    await this.#pause(POD_START);
    await this.#podStatus(pod, runs);
    if (!runs) return;
    const id = ordinal(name);
    await this.#brokerState(id, "running");
    await this.#pause(CATCH_UP);
    const now = await kube.get(pods, namespace, name).catch(ignore);
    if (this.lagging.has(id)) return;
    if (now?.metadata.uid !== pod.metadata.uid || now?.metadata.deletionTimestamp !== undefined)
      return;
    await this.#isr((isr, replicas) => (replicas.includes(id) ? [...new Set([...isr, id])] : isr));
  }

  async #end(pod: Pod): Promise<void> {
    const { kube, namespace } = this.#options;
    const id = ordinal(pod.metadata.name);
    this.restarts.push(id);
    await this.#brokerState(id, "fenced");
    await this.#isr((isr) => (isr.length > 1 ? isr.filter((one) => one !== id) : isr));
    await this.#pause(POD_STOP);
    await kube.delete(pods, namespace, pod.metadata.name, { gracePeriodSeconds: 0 });
  }

  async #podStatus(pod: Pod, runs: boolean): Promise<void> {
    const { kube, namespace } = this.#options;
    const now = await kube.get(pods, namespace, pod.metadata.name);
    if (now.metadata.uid !== pod.metadata.uid) return;
    const time = "2026-01-01T00:00:00Z";
    const conditions = [
      {
        type: "Ready",
        status: runs ? ("True" as const) : ("False" as const),
        lastTransitionTime: time,
      },
    ];
    const waiting = { reason: "ImagePullBackOff", message: "no such image" };
    const container = {
      name: "broker",
      ready: runs,
      started: runs,
      restartCount: 0,
      state: runs ? { running: { startedAt: time } } : { waiting },
      lastState: {},
      image: "",
      imageID: "",
    };
    const hostIP = this.hosts.get(ordinal(pod.metadata.name));
    const status = {
      ...(hostIP === undefined ? {} : { hostIP }),
      phase: runs ? ("Running" as const) : ("Pending" as const),
      conditions,
      containerStatuses: [container],
    };
    await kube.replace(pods, namespace, { ...now, status }, { subresource: "status" });
  }

  async #brokerState(id: number, state: "running" | "fenced"): Promise<void> {
    const { kube, namespace, cluster } = this.#options;
    const name = `${cluster}-${id}`;
    try {
      await kube.create(brokers, namespace, {
        apiVersion: API_VERSION,
        kind: "Broker",
        metadata: {
          name,
          namespace,
          labels: { [CLUSTER_LABEL]: cluster, [BROKER_ID_LABEL]: String(id) },
        },
        spec: { cluster, id },
      });
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
    const now = await kube.get(brokers, namespace, name);
    const status = { ...now.status, epoch: (now.status?.epoch ?? 0) + 1, state };
    await kube.replace(brokers, namespace, { ...now, status }, { subresource: "status" });
  }

  async #isr(
    change: (isr: readonly number[], replicas: readonly number[]) => readonly number[],
  ): Promise<void> {
    const { kube, namespace } = this.#options;
    const { items } = await kube.list(leadershipShards, namespace);
    for (const { metadata } of items) {
      const changed = async (shard: LeadershipShard): Promise<LeadershipShard> => {
        const slices = await kube.list(partitionSlices, namespace);
        const partitions: Record<string, string> = { ...shard.status?.partitions };
        for (const { spec } of slices.items) {
          for (const [at, { replicas }] of spec.partitions.entries()) {
            const key = recordKey(spec.topicId, spec.firstPartition + at);
            const text = partitions[key];
            if (text === undefined) continue;
            const state = parseState(text);
            partitions[key] = stateText(withIsr(state, change(state.isr, replicas)));
          }
        }
        return { ...shard, status: { partitions } };
      };
      try {
        await changeObject(kube, leadershipShards, namespace, metadata.name, changed, {
          subresource: "status",
        });
      } catch (error) {
        // The shard has gone since the list; the others are there.
        if (!(error instanceof NotFoundError)) throw error;
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.scheduler.after(ms, resolve));
  }

  /** A pod that went meanwhile is nobody's business any more. */
  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof NotFoundError || error instanceof ConflictError) return;
      this.#options.scheduler.after(0, () => {
        throw error;
      });
    });
  }
}

/** A leader that is not in sync any more is followed by one that is. */
function withIsr(state: PartitionState, isr: readonly number[]): PartitionState {
  return {
    ...state,
    isr,
    leader: isr.includes(state.leader) ? state.leader : (isr[0] ?? NO_LEADER),
  };
}

function ordinal(name: string): number {
  return Number(name.slice(name.lastIndexOf("-") + 1));
}

function isReady({ metadata, status }: Pod): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true
  );
}

function ignore(): undefined {
  return undefined;
}
