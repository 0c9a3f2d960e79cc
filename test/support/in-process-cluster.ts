import { Broker } from "../../broker/broker.ts";
import { BrokerConfig } from "../../broker/config.ts";
import { createTcpNetwork } from "../../broker/network/tcp-network.ts";
import {
  API_VERSION,
  brokerClusters,
  CLUSTER_LABEL,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { ListenerSpec } from "../../cluster/listeners.ts";
import { shardName, sliceName } from "../../cluster/names.ts";
import { ensureShard } from "./recorded-slices.ts";
import type { KubeApi } from "../../kube/api.ts";
import { realScheduler, type Scheduler, type Timer } from "../../lib/clock.ts";
import type { Storage } from "../../broker/log/storage.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";
import { createMemoryKubeApi } from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { MemoryStorage } from "./memory-storage.ts";

/** Brokers over loopback sockets on volumes in memory, with the operator's part of the work done by a few lines. */
export interface InProcessCluster {
  readonly bootstrap: string[];
  readonly kube: KubeApi;
  readonly brokers: Broker[];
  readonly storages: MemoryStorage[];
  /** Starts broker `id` (again) on its volume. */
  start(id: number): Promise<Broker>;
  stop(): Promise<void>;
}

export async function startInProcessCluster(options: {
  readonly brokers: number;
  readonly basePort: number;
  readonly config?: Readonly<Record<string, string>>;
  readonly logger?: Logger;
  /** Rack of each broker, by id. */
  readonly racks?: readonly string[];
  /** Listeners for clients from outside; each broker then has a loopback address of its own, 127.0.0.1, .2 and so on. */
  readonly listeners?: readonly ListenerSpec[];
  /** The API as each broker reaches it. */
  readonly kubeOf?: (id: number, kube: KubeApi) => KubeApi;
  /** Other volumes than those in memory. */
  readonly storage?: (id: number) => Storage;
}): Promise<InProcessCluster> {
  const logger = options.logger ?? silentLogger;
  const { scheduler, stopTimers } = stoppableScheduler();
  const store = new ObjectStore({ scheduler, random: systemRandom });
  const kube = createMemoryKubeApi({ store, scheduler });
  const namespace = "default";
  const clusterName = "test";
  await kube.create(brokerClusters, namespace, {
    apiVersion: API_VERSION,
    kind: "BrokerCluster",
    metadata: { name: clusterName, namespace },
    spec: {
      brokers: options.brokers,
      ...(options.listeners === undefined ? {} : { listeners: options.listeners }),
    },
  });
  const operator = placeTopics(kube, namespace, clusterName, options.brokers);
  const config = new BrokerConfig(
    new Map(Object.entries({ "group.initial.rebalance.delay.ms": "0", ...options.config })),
  );
  const hostOf = (id: number): string => `127.0.0.${options.listeners === undefined ? 1 : id + 1}`;
  const storages = Array.from({ length: options.brokers }, () => new MemoryStorage());
  const brokers: Broker[] = [];
  const start = async (id: number): Promise<Broker> => {
    const storage = storages[id];
    if (storage === undefined) throw new Error(`no broker ${id}`);
    const broker = new Broker(
      {
        scheduler,
        random: systemRandom,
        storage: options.storage?.(id) ?? storage.mount(),
        network: createTcpNetwork({ logger }),
        kube: options.kubeOf?.(id, kube) ?? kube,
        logger: logger.child({ broker: id }),
        panic: (error) => {
          throw error;
        },
      },
      {
        clusterName,
        namespace,
        brokerId: id,
        version: "test",
        ...(options.racks?.[id] === undefined ? {} : { rack: options.racks[id] }),
        config,
        listen: {
          host: hostOf(id),
          advertisedHost: hostOf(id),
          outside: options.listeners !== undefined,
          ports: { plaintext: options.basePort + id, internal: options.basePort + 50 + id },
        },
      },
    );
    brokers[id] = broker;
    await broker.start();
    return broker;
  };
  await Promise.all(storages.map((_, id) => start(id)));
  return {
    bootstrap: storages.map((_, id) => `${hostOf(id)}:${options.basePort + id}`),
    kube,
    brokers,
    storages,
    start,
    async stop() {
      operator.stop();
      await Promise.all(brokers.map((broker) => broker.drain()));
      stopTimers();
    },
  };
}

/** Real time until it is stopped: a broker's periodic work ends with its process, and this one goes on. */
function stoppableScheduler(): { readonly scheduler: Scheduler; stopTimers(): void } {
  const pending = new Set<Timer>();
  const scheduler: Scheduler = {
    ...realScheduler,
    after(delay, callback) {
      const timer = realScheduler.after(delay, () => {
        pending.delete(timer);
        callback();
      });
      pending.add(timer);
      return {
        cancel: () => {
          pending.delete(timer);
          timer.cancel();
        },
      };
    },
  };
  return {
    scheduler,
    stopTimers: () => {
      for (const timer of pending) timer.cancel();
    },
  };
}

/** Topic → PartitionSlices, round robin: what the operator does with more care. */
export function placeTopics(
  kube: KubeApi,
  namespace: string,
  cluster: string,
  brokers: number,
): { stop(): void } {
  let stopped = false;
  const look = async (): Promise<void> => {
    const wanted = await kube.list(topics, namespace);
    const present = await kube.list(partitionSlices, namespace);
    for (const topic of wanted.items) {
      if (!present.items.some((slice) => slice.spec.topicId === topic.metadata.uid))
        await place(topic);
    }
  };
  const place = async (topic: Topic): Promise<void> => {
    const replicas = Math.min(topic.spec.replicas ?? 3, brokers);
    const shard = shardName(cluster, 0);
    await ensureShard(kube, namespace, { cluster, shard });
    await kube.create(partitionSlices, namespace, {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: {
        name: sliceName(topic.metadata.name, 0),
        namespace,
        labels: { [CLUSTER_LABEL]: cluster },
        ownerReferences: [
          {
            apiVersion: API_VERSION,
            kind: "Topic",
            name: topic.metadata.name,
            uid: topic.metadata.uid ?? "",
          },
        ],
      },
      spec: {
        cluster,
        topic: topic.spec.topicName ?? topic.metadata.name,
        topicId: topic.metadata.uid ?? "",
        shard,
        firstPartition: 0,
        partitions: Array.from({ length: topic.spec.partitions ?? 1 }, (_, p) => ({
          replicas: Array.from({ length: replicas }, (_unused, r) => (p + r) % brokers),
        })),
      },
    });
  };
  const loop = (): void => {
    if (stopped) return;
    look()
      .catch(() => undefined)
      .finally(() => realScheduler.after(20, loop))
      .catch(() => undefined);
  };
  loop();
  return {
    stop() {
      stopped = true;
    },
  };
}
