import type { BrokerCluster } from "../cluster/broker-cluster.ts";
import type { BrokerObject } from "../cluster/broker.ts";
import type { PartitionSlice } from "../cluster/partition-slice.ts";
import { brokerClusters, brokers, partitionSlices, topics } from "../cluster/resources.ts";
import type { Topic } from "../cluster/topic.ts";
import { createInformer } from "../kube/informer.ts";
import type { Informer } from "../kube/informer.ts";
import type { KubeApi } from "../kube/api.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";

/**
 * What the controllers of the operator look at, kept by one watch a kind. A cache may lag: what is destructive, or
 * decided from what was written a moment ago, is decided on a fresh read.
 */
export interface Caches {
  readonly clusters: Informer<BrokerCluster>;
  readonly topics: Informer<Topic>;
  readonly slices: Informer<PartitionSlice>;
  readonly brokers: Informer<BrokerObject>;
  readonly synced: Promise<void>;
  start(): void;
  stop(): void;
}

export function createCaches(options: {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
}): Caches {
  const { kube, namespace, scheduler, random, logger } = options;
  const common = { api: kube, namespace, scheduler, random, logger };
  const clusters = createInformer({ ...common, resource: brokerClusters });
  const topicCache = createInformer({ ...common, resource: topics });
  const slices = createInformer({ ...common, resource: partitionSlices });
  const brokerCache = createInformer({ ...common, resource: brokers });
  const all = [clusters, topicCache, slices, brokerCache];
  return {
    clusters,
    topics: topicCache,
    slices,
    brokers: brokerCache,
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
    start: () => {
      for (const informer of all) informer.start();
    },
    stop: () => {
      for (const informer of all) informer.stop();
    },
  };
}

/** `namespace/name`: the key of a controller's queue. */
export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const at = key.indexOf("/");
  return { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

/** An object of a cache by namespace and name, whether the cache is of one namespace or of all. */
export function find<T extends KubeObject>(
  informer: Informer<T>,
  namespace: string,
  name: string,
): T | undefined {
  return informer.get(`${namespace}/${name}`) ?? informer.get(name);
}
