import type { BrokerCluster } from "../cluster/broker-cluster.ts";
import type { BrokerObject } from "../cluster/broker.ts";
import {
  type LeadershipShard,
  parseState,
  type PartitionStates,
  type RecordedStates,
  recordKey,
  topicIdOf,
} from "../cluster/leadership-shard.ts";
import type { PartitionSlice, PartitionState } from "../cluster/partition-slice.ts";
import {
  brokerClusters,
  brokers,
  leadershipShards,
  partitionSlices,
  topics,
} from "../cluster/resources.ts";
import type { Topic } from "../cluster/topic.ts";
import { createInformer } from "../kube/informer.ts";
import type { Change, Informer } from "../kube/informer.ts";
import type { KubeApi } from "../kube/api.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { kafkaName } from "./plan/topic-shape.ts";

/**
 * What the controllers of the operator look at, kept by one watch a kind. A cache may lag: what is destructive, or
 * decided from what was written a moment ago, is decided on a fresh read.
 */
export interface Caches {
  readonly clusters: Informer<BrokerCluster>;
  readonly topics: Informer<Topic>;
  readonly slices: Informer<PartitionSlice>;
  readonly shards: Informer<LeadershipShard>;
  readonly brokers: Informer<BrokerObject>;
  /** Slices by the id of their topic: a topic is looked at often, and there may be thousands. */
  slicesOf(topicId: string): Iterable<PartitionSlice>;
  /** Slices by `shardKey`. */
  slicesIn(shard: string): Iterable<PartitionSlice>;
  /** What all shards say. */
  readonly states: RecordedStates;
  /** Called with the ids of topics of whose partitions a shard says something else than before. */
  onStates(listener: (topicIds: ReadonlySet<string>) => void): void;
  topicById(topicId: string): Topic | undefined;
  /** Topics by namespace, cluster and the name that Kafka's clients know. */
  topicsNamed(topic: Topic): Iterable<Topic>;
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
  const shards = createInformer({ ...common, resource: leadershipShards });
  const brokerCache = createInformer({ ...common, resource: brokers });
  const all = [clusters, topicCache, slices, shards, brokerCache];
  // Before any controller's listener, so that they find what the caches have.
  const slicesByTopic = new Index<PartitionSlice>(({ spec }) => spec.topicId);
  const slicesByShard = new Index<PartitionSlice>(shardKey);
  const topicsByName = new Index<Topic>(nameKey);
  const topicsById = new Index<Topic>(({ metadata }) => metadata.uid ?? "");
  const states = new StateIndex();
  const stateListeners: ((topicIds: ReadonlySet<string>) => void)[] = [];
  slices.onChange((change) => {
    slicesByTopic.follow(change);
    slicesByShard.follow(change);
  });
  shards.onChange((change) => {
    const topicIds = states.follow(change);
    if (topicIds.size > 0) for (const listener of stateListeners) listener(topicIds);
  });
  topicCache.onChange((change) => {
    topicsByName.follow(change);
    topicsById.follow(change);
  });
  return {
    clusters,
    topics: topicCache,
    slices,
    shards,
    brokers: brokerCache,
    slicesOf: (topicId) => slicesByTopic.of(topicId),
    slicesIn: (shard) => slicesByShard.of(shard),
    states,
    onStates: (listener) => {
      stateListeners.push(listener);
    },
    topicById: (topicId) => [...topicsById.of(topicId)][0],
    topicsNamed: (topic) => topicsByName.of(nameKey(topic)),
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
    start: () => {
      for (const informer of all) informer.start();
    },
    stop: () => {
      for (const informer of all) informer.stop();
    },
  };
}

function nameKey(topic: Topic): string {
  return `${topic.metadata.namespace ?? "default"}/${topic.spec.cluster}/${kafkaName(topic)}`;
}

/** `namespace/name` of the shard of a slice. */
export function shardKey({ metadata, spec }: PartitionSlice): string {
  return `${metadata.namespace ?? "default"}/${spec.shard}`;
}

/** The states that the shards of a cache hold, read once and not each time that somebody looks. */
class StateIndex implements RecordedStates {
  /** By shard, and by `recordKey`. */
  readonly #states = new Map<string, Map<string, PartitionState>>();
  readonly #shards = new Map<string, PartitionStates>();

  of(slice: PartitionSlice, index: number): PartitionState | undefined {
    const { topicId, firstPartition } = slice.spec;
    return this.#states.get(shardKey(slice))?.get(recordKey(topicId, firstPartition + index));
  }

  /** @returns topics of whose partitions something else is said than before */
  follow({ type, object }: Change<LeadershipShard>): ReadonlySet<string> {
    const name = keyOf(object);
    const before = this.#shards.get(name) ?? {};
    const now = type === "DELETED" ? {} : (object.status?.partitions ?? {});
    const states = this.#states.get(name) ?? new Map<string, PartitionState>();
    if (type === "DELETED") {
      this.#shards.delete(name);
      this.#states.delete(name);
    } else {
      this.#shards.set(name, now);
      this.#states.set(name, states);
    }
    const topicIds = new Set<string>();
    for (const [key, text] of Object.entries(now)) {
      if (before[key] === text) continue;
      states.set(key, parseState(text));
      topicIds.add(topicIdOf(key));
    }
    for (const key of Object.keys(before)) {
      if (now[key] !== undefined) continue;
      states.delete(key);
      topicIds.add(topicIdOf(key));
    }
    return topicIds;
  }
}

/** Objects of a cache by something else than their name. */
class Index<T extends KubeObject> {
  readonly #keyOf: (object: T) => string;
  readonly #groups = new Map<string, Map<string, T>>();
  /** Under which key each object is, by its own. */
  readonly #keys = new Map<string, string>();

  constructor(key: (object: T) => string) {
    this.#keyOf = key;
  }

  of(key: string): Iterable<T> {
    return this.#groups.get(key)?.values() ?? [];
  }

  follow({ type, object }: Change<T>): void {
    const name = keyOf(object);
    const before = this.#keys.get(name);
    if (before !== undefined) {
      const group = this.#groups.get(before);
      group?.delete(name);
      if (group?.size === 0) this.#groups.delete(before);
      this.#keys.delete(name);
    }
    if (type === "DELETED") return;
    const key = this.#keyOf(object);
    const group = this.#groups.get(key) ?? new Map<string, T>();
    group.set(name, object);
    this.#groups.set(key, group);
    this.#keys.set(name, key);
  }
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
