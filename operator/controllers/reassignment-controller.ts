import { chosenReplicas } from "../../cluster/assignments.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { recordedStates, type RecordedStates } from "../../cluster/leadership-shard.ts";
import type { PartitionPlacement, PartitionSlice } from "../../cluster/partition-slice.ts";
import { brokerObjectName } from "../../cluster/names.ts";
import type { BalanceBroker } from "../../cluster/replica-balance.ts";
import {
  brokerClusters,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import { NotFoundError } from "../../kube/errors.ts";
import type { WorkQueue } from "../../kube/work-queue.ts";
import type { Millis } from "../../lib/units.ts";
import { type Caches, find, splitKey } from "../caches.ts";
import type { OperatorOptions } from "../operator.ts";
import {
  planReassignment,
  type Reassignment,
  type ReassignedTopic,
} from "../plan/partition-reassignment.ts";
import { placementsOf, planSlices, slicesOf } from "../plan/topic-slices.ts";
import { topicShape } from "../plan/topic-shape.ts";
import { reconcileQueue } from "./reconcile-queue.ts";

/** Changes of many slices are looked at together. */
const SETTLE: Millis = 300;
/** A look at thousands of topics takes a while: while they change all the time, at most this share of the time goes there. */
const SHARE = 0.05;
/** Partitions on the move at the same time, for each broker: each copies a whole log. */
const MOVING_PER_BROKER = 2;
const PAUSED = "forebay.dev/paused";

/**
 * Moves replicas: off brokers that are to go, onto brokers that have come, to another number of replicas, to chosen
 * assignments. It looks at the whole cluster, so that its moves are even over all topics and bounded together.
 */
export function startReassignmentController(
  options: OperatorOptions,
  caches: Caches,
): { stop(): void } {
  const controller = new ReassignmentController(options, caches);
  controller.watch();
  return controller;
}

class ReassignmentController {
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #queue: WorkQueue;
  /** What the last look took. */
  #tookMs: Millis = 0;

  constructor(options: OperatorOptions, caches: Caches) {
    this.#options = options;
    this.#caches = caches;
    this.#queue = reconcileQueue(options, {
      handler: (key) => this.#reconcile(key),
      field: "cluster",
      again: "placements are looked at again",
      failed: "replicas could not be moved",
    });
  }

  stop(): void {
    this.#queue.stop();
  }

  watch(): void {
    const look = (namespace: string | undefined, cluster: string): void => {
      const after = Math.max(SETTLE, this.#tookMs / SHARE);
      this.#queue.addAfter(`${namespace ?? "default"}/${cluster}`, after);
    };
    this.#caches.clusters.onChange(({ object }) => {
      look(object.metadata.namespace, object.metadata.name);
    });
    const { topics: topicCache, slices, shards, brokers } = this.#caches;
    for (const informer of [topicCache, slices, shards, brokers]) {
      informer.onChange(({ object }) => {
        look(object.metadata.namespace, object.spec.cluster);
      });
    }
  }

  async #reconcile(key: string): Promise<void> {
    await this.#caches.synced;
    const { namespace, name } = splitKey(key);
    const cluster = find(this.#caches.clusters, namespace, name);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) return;
    if (cluster.metadata.annotations?.[PAUSED] === "true") return;
    const brokers = this.#brokersOf(cluster);
    const complete = brokers.every(({ absent }) => absent !== true);
    const spread = complete && cluster.status?.balancedBrokers !== cluster.spec.brokers;
    const began = this.#options.scheduler.now();
    const cached = this.#topicsOf(
      cluster,
      [...this.#caches.topics.items().values()],
      [...this.#caches.slices.items().values()],
      this.#caches.states,
    );
    const first = this.#plan(cached, brokers, spread);
    this.#tookMs = this.#options.scheduler.now() - began;
    if (first.changes.size > 0) {
      // Replicas may be taken away: decided on fresh lists.
      const { kube } = this.#options;
      const ofCluster = { labelSelector: `${CLUSTER_LABEL}=${name}` };
      const [topicList, sliceList] = await Promise.all([
        kube.list(topics, namespace),
        kube.list(partitionSlices, namespace, ofCluster),
      ]);
      const shardList = await kube.list(leadershipShards, namespace, ofCluster);
      const states = recordedStates(shardList.items);
      const fresh = this.#topicsOf(cluster, topicList.items, sliceList.items, states);
      await this.#write(namespace, fresh, this.#plan(fresh, brokers, spread));
      return;
    }
    if (spread && first.moving === 0) await this.#noteBalanced(cluster);
  }

  #plan(
    placed: readonly PlacedTopic[],
    brokers: readonly BalanceBroker[],
    spread: boolean,
  ): Reassignment {
    return planReassignment({
      topics: placed.map(({ plan }) => plan),
      brokers,
      spread,
      maxMoving: MOVING_PER_BROKER * Math.max(1, brokers.length),
    });
  }

  /** Topics of the cluster that are wholly placed; the others are the topic controller's for now. */
  #topicsOf(
    cluster: BrokerCluster,
    all: readonly Topic[],
    slices: readonly PartitionSlice[],
    states: RecordedStates,
  ): PlacedTopic[] {
    const byTopic = new Map<string, PartitionSlice[]>();
    for (const slice of slices) {
      const list = byTopic.get(slice.spec.topicId);
      if (list === undefined) byTopic.set(slice.spec.topicId, [slice]);
      else list.push(slice);
    }
    return all.flatMap((topic): PlacedTopic[] => {
      const { metadata, spec } = topic;
      if (metadata.namespace !== cluster.metadata.namespace) return [];
      if (spec.cluster !== cluster.metadata.name) return [];
      if (metadata.deletionTimestamp !== undefined) return [];
      if (metadata.annotations?.[PAUSED] === "true") return [];
      const own = slicesOf(topic, byTopic.get(metadata.uid ?? "") ?? []);
      const placements = placementsOf(own);
      const shape = topicShape({ topic, cluster, topics: [], present: placements.length });
      if ("reason" in shape || placements.length === 0) return [];
      const plan: ReassignedTopic = {
        id: metadata.uid ?? "",
        replicas: shape.replicas,
        placements,
        states: own.flatMap((slice) => slice.spec.partitions.map((_, at) => states.of(slice, at))),
        chosen: placements.map((_, at) =>
          chosenReplicas(spec.assignments, at, cluster.spec.brokers),
        ),
      };
      return [{ topic, slices: own, plan }];
    });
  }

  async #write(
    namespace: string,
    placed: readonly PlacedTopic[],
    { changes, moving, waiting }: Reassignment,
  ): Promise<void> {
    const { kube, logger } = this.#options;
    for (const { slices, plan } of placed) {
      const placements: readonly PartitionPlacement[] | undefined = changes.get(plan.id);
      if (placements === undefined) continue;
      for (const write of planSlices(slices, placements)) {
        if (write.kind !== "update") continue;
        const { slice, partitions } = write;
        await kube.replace(partitionSlices, namespace, {
          ...slice,
          spec: { ...slice.spec, partitions },
        });
        logger.info("replicas move", {
          slice: slice.metadata.name,
          moving,
          waiting,
          partitions: partitions.filter(({ adding, removing }) => adding ?? removing).length,
        });
      }
    }
  }

  /** Evenness is brought about when brokers come, and not each time a topic goes. */
  async #noteBalanced(cluster: BrokerCluster): Promise<void> {
    const { metadata, spec } = cluster;
    const status = { ...cluster.status, balancedBrokers: spec.brokers };
    try {
      await this.#options.kube.replace(
        brokerClusters,
        metadata.namespace ?? "default",
        { ...cluster, status },
        { subresource: "status" },
      );
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  /** All that are to stay; one that does not run now is expected back. */
  #brokersOf(cluster: BrokerCluster): BalanceBroker[] {
    const { name, namespace = "default" } = cluster.metadata;
    return Array.from({ length: cluster.spec.brokers }, (_, id) => {
      const status = find(this.#caches.brokers, namespace, brokerObjectName(name, id))?.status;
      return {
        id,
        ...(status?.rack === undefined ? {} : { rack: status.rack }),
        ...(status?.state === "running" ? {} : { absent: true }),
      };
    });
  }
}

interface PlacedTopic {
  readonly topic: Topic;
  readonly slices: readonly PartitionSlice[];
  readonly plan: ReassignedTopic;
}
