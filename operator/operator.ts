import type { KubeApi } from "../kube/api.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { createCaches } from "./caches.ts";
import { startBrokerTeller } from "./controllers/broker-teller.ts";
import { startBrokerClusterController } from "./controllers/broker-cluster-controller.ts";
import { startClientController } from "./controllers/client-controller.ts";
import { startReassignmentController } from "./controllers/reassignment-controller.ts";
import { ShardKeeper } from "./controllers/shard-keeper.ts";
import { startTopicController } from "./controllers/topic-controller.ts";
import { watchedWrites } from "./watched-writes.ts";

export interface OperatorOptions {
  readonly kube: KubeApi;
  /** The namespace it looks after; "" for all. */
  readonly namespace: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /** Container image of brokers whose cluster names none. */
  readonly brokerImage: string;
  /** Says why a broker would not start with a configuration, or undefined if it would. */
  readonly configProblem?: (name: string, value: string) => string | undefined;
}

export interface Operator {
  /** Resolves when the first lists are there. */
  readonly synced: Promise<void>;
  /** Objects in the caches by plural name of their kind. */
  sizes(): Readonly<Record<string, number>>;
  /** The clusters as their status has them. */
  clusters(): readonly ClusterSummary[];
  /** Starts no action any more. */
  stop(): void;
}

export interface ClusterSummary {
  readonly namespace: string;
  readonly name: string;
  readonly ready: boolean;
}

/** The whole operator on the given API: the same in a pod, under `forebay local` and in the simulator. */
export function startOperator(options: OperatorOptions): Operator {
  const watched = { ...options, kube: watchedWrites(options.kube, options.scheduler) };
  const caches = createCaches(watched);
  const shards = new ShardKeeper(watched, caches);
  shards.watch();
  const controllers = [
    shards,
    startBrokerClusterController(watched, caches),
    startTopicController(watched, caches, shards),
    startReassignmentController(watched, caches),
    startClientController(watched, caches),
    startBrokerTeller(watched, caches),
  ];
  caches.start();
  return {
    synced: caches.synced,
    sizes: () => ({
      brokerclusters: caches.clusters.items().size,
      topics: caches.topics.items().size,
      partitionslices: caches.slices.items().size,
      leadershipshards: caches.shards.items().size,
      brokers: caches.brokers.items().size,
    }),
    clusters: () =>
      [...caches.clusters.items().values()].map(({ metadata, status }) => ({
        namespace: metadata.namespace ?? "default",
        name: metadata.name,
        ready: (status?.conditions ?? []).some((c) => c.type === "Ready" && c.status === "True"),
      })),
    stop: () => {
      for (const controller of controllers) controller.stop();
      caches.stop();
    },
  };
}
