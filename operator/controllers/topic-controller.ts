import { chosenReplicas } from "../../cluster/assignments.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionPlacement, PartitionSlice } from "../../cluster/partition-slice.ts";
import { placePartitions } from "../../cluster/replica-placement.ts";
import { partitionSlices, TOPIC_LABEL, topics } from "../../cluster/resources.ts";
import { labelValue } from "../../cluster/names.ts";
import type { Topic } from "../../cluster/topic.ts";
import { AlreadyExistsError, NotFoundError } from "../../kube/errors.ts";
import type { WorkQueue } from "../../kube/work-queue.ts";
import { SECOND, type Millis } from "../../lib/units.ts";
import { type Caches, find, keyOf, splitKey } from "../caches.ts";
import { EventRecorder } from "../events.ts";
import type { OperatorOptions } from "../operator.ts";
import {
  newSlice,
  placementsOf,
  planSlices,
  sliceNameOf,
  slicesOf,
  type SliceWrite,
} from "../plan/topic-slices.ts";
import { topicShape, type TopicShape } from "../plan/topic-shape.ts";
import type { ShardKeeper } from "./shard-keeper.ts";
import { sameStatus } from "../status/same-status.ts";
import { topicStatus, type TopicFinding, type TopicStatus } from "../status/topic-status.ts";
import { BrokerWait } from "./broker-wait.ts";
import { reconcileQueue } from "./reconcile-queue.ts";
import { TopicTeller } from "./topic-teller.ts";

/** Topics handled at the same time: what bounds the requests under way to the API. */
const CONCURRENCY = 8;
/**
 * Changes of a ready topic's partitions are counted into its status at most this often, and later the more topics there are:
 * a lost broker changes the status of all of them, and what the brokers write then has to come first.
 */
const STATUS_SETTLE: Millis = SECOND;
const STATUS_SETTLE_PER_TOPIC: Millis = 2;
/** A new topic's first status is written when it has leaders, which is soon, or after this long. */
const FIRST_STATUS: Millis = SECOND;
/** What was written is in the cache after this long, or somebody else has changed it. */
const WRITTEN_TRUST: Millis = 2 * SECOND;
const PAUSED = "forebay.dev/paused";

/** Topic → PartitionSlices: where replicas live. Who leads is the brokers' affair. */
export function startTopicController(
  options: OperatorOptions,
  caches: Caches,
  shards: ShardKeeper,
): { stop(): void } {
  const controller = new TopicController(options, caches, shards);
  controller.watch();
  return controller;
}

class TopicController {
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #shards: ShardKeeper;
  readonly #queue: WorkQueue;
  /** Placements that were written and may not be in the cache yet, by topic id and slice. */
  readonly #written = new Map<string, Map<string, readonly (readonly BrokerId[])[]>>();
  /** When slices were created, by topic id: until they are in the cache they are not missed. */
  readonly #createdAt = new Map<string, Millis>();
  /** Since when topics without a status wait for leaders, by key. */
  readonly #leaderlessSince = new Map<string, Millis>();
  readonly #brokerWait: BrokerWait;
  readonly #teller: TopicTeller;

  constructor(options: OperatorOptions, caches: Caches, shards: ShardKeeper) {
    this.#options = options;
    this.#caches = caches;
    this.#shards = shards;
    this.#brokerWait = new BrokerWait(options.scheduler, caches.brokers);
    this.#teller = new TopicTeller(new EventRecorder(options));
    this.#queue = reconcileQueue(options, {
      handler: (key) => this.#reconcile(key),
      field: "topic",
      again: "a topic is looked at again",
      failed: "a topic could not be reconciled",
      concurrency: CONCURRENCY,
    });
  }

  stop(): void {
    this.#queue.stop();
  }

  watch(): void {
    const { topics: topicCache, slices, clusters, brokers } = this.#caches;
    topicCache.onChange(({ object, type }) => {
      this.#queue.add(keyOf(object));
      // The name it held may be another one's now.
      if (type === "DELETED") {
        this.#addTopicsOf(object.metadata.namespace, object.spec.cluster);
        this.#written.delete(object.metadata.uid ?? "");
        this.#createdAt.delete(object.metadata.uid ?? "");
        this.#leaderlessSince.delete(keyOf(object));
        this.#teller.forget(object);
      }
    });
    slices.onChange(({ object, type }) => {
      const owner = object.metadata.ownerReferences?.find(({ kind }) => kind === "Topic");
      if (owner === undefined) return;
      const namespace = object.metadata.namespace ?? "default";
      const topic = find(topicCache, namespace, owner.name);
      if (type !== "DELETED" && topic !== undefined) this.#addChanged(topic);
      else this.#queue.add(`${namespace}/${owner.name}`);
    });
    this.#caches.onStates((topicIds) => {
      for (const topicId of topicIds) {
        const topic = this.#caches.topicById(topicId);
        if (topic !== undefined) this.#addChanged(topic);
      }
    });
    clusters.onChange(({ object }) => {
      this.#addTopicsOf(object.metadata.namespace, object.metadata.name);
    });
    brokers.onChange(({ object, type }) => {
      // Heartbeats do not come this way: an object changes when a broker registers or changes its state.
      const { namespace } = object.metadata;
      if (type === "ADDED" || this.#brokerWait.isUnderWay(namespace, object.spec.cluster)) {
        this.#addTopicsOf(namespace, object.spec.cluster);
      }
    });
  }

  /** Its partitions are otherwise than they were. */
  #addChanged(topic: Topic): void {
    const settle = STATUS_SETTLE + STATUS_SETTLE_PER_TOPIC * this.#caches.topics.items().size;
    if (isReady(topic)) this.#queue.addAfter(keyOf(topic), settle);
    else this.#queue.add(keyOf(topic));
  }

  async #reconcile(key: string): Promise<void> {
    await this.#caches.synced;
    const { namespace, name } = splitKey(key);
    const topic = find(this.#caches.topics, namespace, name);
    if (topic === undefined || topic.metadata.deletionTimestamp !== undefined) return;
    const cluster = find(this.#caches.clusters, namespace, topic.spec.cluster);
    if (isPaused(topic) || (cluster !== undefined && isPaused(cluster))) return;
    const present = slicesOf(topic, this.#caches.slicesOf(topic.metadata.uid ?? ""));
    const shape = topicShape({
      topic,
      cluster,
      topics: this.#caches.topicsNamed(topic),
      present: placementsOf(present).length,
    });
    if ("reason" in shape || cluster === undefined) {
      if ("reason" in shape)
        await this.#report(topic, { kind: "refused", refusal: shape }, present);
      return;
    }
    const finding = await this.#place(topic, cluster, shape, present);
    const now = slicesOf(topic, this.#caches.slicesOf(topic.metadata.uid ?? ""));
    await this.#report(topic, finding, now);
  }

  /** Writes what the slices lack. */
  async #place(
    topic: Topic,
    cluster: BrokerCluster,
    shape: TopicShape,
    cached: readonly PartitionSlice[],
  ): Promise<TopicFinding> {
    // Where missing partitions would go is computed below, from the fresh list.
    const placed = placementsOf(cached);
    const isComplete = placed.length >= shape.partitions;
    if (isComplete && planSlices(cached, placed).length === 0) {
      return { kind: "placed", shape };
    }
    const waiting = this.#brokerWait.finding(cluster, shape.replicas);
    if (waiting !== undefined) {
      if (waiting.left > 0) this.#queue.addAfter(keyOf(topic), waiting.left);
      return waiting;
    }
    const namespace = topic.metadata.namespace ?? "default";
    const fresh = await this.#present(topic, namespace, cached);
    if (fresh === undefined) return { kind: "placed", shape };
    const writes = this.#writes(topic, cluster, shape, fresh);
    for (const write of writes) await this.#write(topic, namespace, write);
    return { kind: "placed", shape };
  }

  /**
   * The topic's slices as they are. The cache may lag behind what was written a moment ago, so it takes a fresh list; but
   * not for a new topic, whose slices can only be created: one that is there already is not created again.
   * @returns undefined while its slices were created and are not in the cache yet
   */
  async #present(
    topic: Topic,
    namespace: string,
    cached: readonly PartitionSlice[],
  ): Promise<readonly PartitionSlice[] | undefined> {
    const { kube, scheduler } = this.#options;
    const createdAt = this.#createdAt.get(topic.metadata.uid ?? "");
    if (cached.length === 0) {
      if (createdAt === undefined) return [];
      const left = createdAt + WRITTEN_TRUST - scheduler.now();
      if (left > 0) {
        this.#queue.addAfter(keyOf(topic), left);
        return undefined;
      }
    }
    const { items } = await kube.list(partitionSlices, namespace, {
      labelSelector: `${TOPIC_LABEL}=${labelValue(topic.metadata.name)}`,
    });
    return slicesOf(topic, items);
  }

  /** No time passes between reading what others have and noting what this one gets. */
  #writes(
    topic: Topic,
    cluster: BrokerCluster,
    shape: TopicShape,
    present: readonly PartitionSlice[],
  ): readonly SliceWrite[] {
    const placements: PartitionPlacement[] = placementsOf(present);
    const missing = shape.partitions - placements.length;
    if (missing > 0) {
      const brokers = this.#brokerWait.placeable(cluster);
      const chosen = Array.from({ length: missing }, (_, at) =>
        chosenReplicas(topic.spec.assignments, placements.length + at, cluster.spec.brokers),
      );
      const rest = chosen.filter((replicas) => replicas === undefined).length;
      // In order: what waits for brokers holds up what comes after it.
      if (rest > 0 && brokers.length < shape.replicas) {
        chosen.length = chosen.indexOf(undefined);
      }
      const placed =
        rest === 0 || chosen.length < missing
          ? []
          : placePartitions({
              partitions: rest,
              replicas: shape.replicas,
              brokers,
              present: [
                ...placements.map(({ replicas }) => replicas),
                ...chosen.filter((replicas) => replicas !== undefined),
              ],
              others: this.#placementsOfOthers(topic),
            });
      let next = 0;
      for (const replicas of chosen) {
        const own = replicas ?? placed[next++];
        if (own !== undefined) placements.push({ replicas: own });
      }
    }
    return planSlices(present, placements);
  }

  async #write(topic: Topic, namespace: string, write: SliceWrite): Promise<void> {
    const { kube, logger } = this.#options;
    const id = topic.metadata.uid ?? "";
    const { partitions } = write;
    let name: string;
    if (write.kind === "update") {
      const { slice } = write;
      name = slice.metadata.name;
      await kube.replace(partitionSlices, namespace, {
        ...slice,
        spec: { ...slice.spec, partitions },
      });
    } else {
      name = sliceNameOf(topic, write.firstPartition);
      const { cluster } = topic.spec;
      const { firstPartition } = write;
      const wanted = { name, topicId: id, firstPartition, partitions: partitions.length };
      const shard = this.#shards.choose(namespace, cluster, wanted);
      await this.#shards.ensure(namespace, cluster, shard);
      const slice = newSlice(topic, firstPartition, partitions, shard);
      try {
        await kube.create(partitionSlices, namespace, slice);
        this.#createdAt.set(id, this.#options.scheduler.now());
      } catch (error) {
        if (!(error instanceof AlreadyExistsError)) throw error;
        await this.#removeLeftover(namespace, slice);
        throw error;
      }
    }
    const noted = this.#written.get(id) ?? new Map<string, readonly (readonly BrokerId[])[]>();
    noted.set(
      name,
      partitions.map(({ replicas }) => replicas),
    );
    this.#written.set(id, noted);
    logger.info("partitions placed", {
      topic: keyOf(topic),
      slice: name,
      partitions: partitions.length,
    });
  }

  /** The slice of a deleted topic of the same name, which the garbage collector has not come to yet. */
  async #removeLeftover(namespace: string, wanted: PartitionSlice): Promise<void> {
    const { kube } = this.#options;
    try {
      const found = await kube.get(partitionSlices, namespace, wanted.metadata.name);
      const { uid, resourceVersion } = found.metadata;
      if (found.spec.topicId === wanted.spec.topicId || uid === undefined) return;
      const owner = await kube
        .get(topics, namespace, found.metadata.ownerReferences?.[0]?.name ?? "")
        .catch((error: unknown) => {
          if (error instanceof NotFoundError) return undefined;
          throw error;
        });
      if (owner?.metadata.uid === found.spec.topicId) return;
      await kube.delete(partitionSlices, namespace, wanted.metadata.name, {
        uid,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  /** What the other topics of the cluster have, also what was written for them a moment ago. */
  *#placementsOfOthers(topic: Topic): Generator<readonly BrokerId[]> {
    const cached = new Map<string, number>();
    for (const { metadata, spec } of this.#caches.slices.items().values()) {
      if (metadata.namespace !== topic.metadata.namespace) continue;
      if (spec.cluster !== topic.spec.cluster || spec.topicId === topic.metadata.uid) continue;
      cached.set(spec.topicId, (cached.get(spec.topicId) ?? 0) + spec.partitions.length);
      for (const { replicas } of spec.partitions) yield replicas;
    }
    for (const [id, slices] of this.#written) {
      const placements = [...slices.values()].flat();
      if ((cached.get(id) ?? 0) >= placements.length) this.#written.delete(id);
      else if (id !== topic.metadata.uid) yield* placements;
    }
  }

  async #report(
    topic: Topic,
    finding: TopicFinding,
    slices: readonly PartitionSlice[],
  ): Promise<void> {
    const { kube, scheduler } = this.#options;
    const status = topicStatus(topic, finding, slices, this.#caches.states, scheduler.wallNow());
    if (sameStatus(topic.status, status) || this.#waitsForLeaders(topic, finding, status)) return;
    const namespace = topic.metadata.namespace ?? "default";
    try {
      await kube.replace(topics, namespace, { ...topic, status }, { subresource: "status" });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      return;
    }
    this.#teller.tell(topic, status);
  }

  /** One write tells of a new topic that it has leaders, in place of two of which the first says that it has none yet. */
  #waitsForLeaders(topic: Topic, finding: TopicFinding, status: TopicStatus): boolean {
    const key = keyOf(topic);
    const isFirst = topic.status?.conditions === undefined && finding.kind === "placed";
    if (!isFirst || isReady({ ...topic, status })) {
      this.#leaderlessSince.delete(key);
      return false;
    }
    const now = this.#options.scheduler.now();
    const since = this.#leaderlessSince.get(key) ?? now;
    this.#leaderlessSince.set(key, since);
    const left = since + FIRST_STATUS - now;
    if (left > 0) this.#queue.addAfter(key, left);
    return left > 0;
  }

  *#topicsOf(namespace: string): Generator<Topic> {
    for (const topic of this.#caches.topics.items().values()) {
      if ((topic.metadata.namespace ?? "default") === namespace) yield topic;
    }
  }

  #addTopicsOf(namespace: string | undefined, cluster: string): void {
    for (const topic of this.#topicsOf(namespace ?? "default")) {
      if (topic.spec.cluster === cluster) this.#queue.add(keyOf(topic));
    }
  }
}

function isReady({ status }: Topic): boolean {
  return status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
}

function isPaused({ metadata }: Topic | BrokerCluster): boolean {
  return metadata.annotations?.[PAUSED] === "true";
}
