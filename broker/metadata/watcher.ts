import type { BrokerObject } from "../../cluster/broker.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { LeadershipShard } from "../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import {
  brokerClusters,
  brokers,
  CLUSTER_LABEL,
  leadershipShards,
  leases,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi, Resource } from "../../kube/api.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { KubeObject, Lease } from "../../kube/objects.ts";
import { versionNumber } from "../../kube/resource-version.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "./image.ts";
import { type NewestVersions, STALE_WATCH_LOOK_MS, StaleWatch, TOLD_KINDS } from "./stale-watch.ts";

/** Keeps the image up to date from watches; one per kind, restarted by themselves, or when others know more. */
export class MetadataWatcher {
  readonly #informers: Informer<KubeObject>[] = [];
  /** The views of the kinds whose versions brokers tell each other. */
  readonly #told: Readonly<Record<keyof NewestVersions, Informer<KubeObject>>>;
  readonly #image: MetadataImage;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #stale = new Map(TOLD_KINDS.map((kind) => [kind, new StaleWatch()]));
  #lookedAt: Millis = 0;
  /** How long this process has been there to read. */
  #awake: Millis = 0;
  #stopped = false;

  constructor(options: {
    readonly kube: KubeApi;
    readonly namespace: string;
    readonly clusterName: string;
    readonly image: MetadataImage;
    readonly scheduler: Scheduler;
    readonly random: Random;
    readonly logger: Logger;
    readonly onLease: (lease: Lease) => void;
    /** What follows from a change broke an invariant. */
    readonly panic: (error: unknown) => void;
  }) {
    const { kube, namespace, clusterName, image, scheduler, random, logger, panic } = options;
    this.#image = image;
    this.#scheduler = scheduler;
    this.#logger = logger;
    const ofCluster = `${CLUSTER_LABEL}=${clusterName}`;
    const watch = <T extends KubeObject>(
      resource: Resource<T>,
      labelSelector: string | undefined,
      absorb: (object: T) => void,
      remove: (object: T) => void,
    ): Informer<T> => {
      const informer = createInformer<T>({
        api: kube,
        resource,
        namespace,
        ...(labelSelector === undefined ? {} : { labelSelector }),
        scheduler,
        random,
        logger,
        panic,
      });
      informer.onChange(({ type, object }) => {
        if (type === "DELETED") remove(object);
        else absorb(object);
      });
      this.#informers.push(informer);
      return informer;
    };
    const slices = watch<PartitionSlice>(
      partitionSlices,
      ofCluster,
      (slice) => {
        image.absorbSlice(slice);
      },
      (slice) => {
        image.removeSlice(slice.metadata.name, slice.spec.topicId);
      },
    );
    const shards = watch<LeadershipShard>(
      leadershipShards,
      ofCluster,
      (shard) => {
        image.absorbShard(shard);
      },
      (shard) => {
        image.removeShard(shard.metadata.name);
      },
    );
    const topicView = watch<Topic>(
      topics,
      undefined,
      (topic) => {
        if (topic.spec.cluster === clusterName) image.absorbTopic(topic);
      },
      (topic) => {
        image.removeTopic(topic.metadata.uid ?? "");
      },
    );
    const brokerView = watch<BrokerObject>(
      brokers,
      ofCluster,
      (broker) => {
        image.absorbBroker(broker);
      },
      (broker) => {
        image.removeBroker(broker.spec.id);
      },
    );
    watch<BrokerCluster>(
      brokerClusters,
      undefined,
      (cluster) => {
        if (cluster.metadata.name === clusterName) image.absorbCluster(cluster);
      },
      () => undefined,
    );
    this.#told = { shards, slices, brokers: brokerView, topics: topicView };
    watch<Lease>(leases, ofCluster, options.onLease, () => undefined);
  }

  /** Resolves when every kind has been listed once. */
  async start(): Promise<void> {
    for (const informer of this.#informers) informer.start();
    await Promise.all(this.#informers.map((informer) => informer.synced));
    this.#look();
  }

  #look(): void {
    if (this.#stopped) return;
    const now = this.#scheduler.now();
    // A process that stands still, or has much to do, has not read yet what its watches brought meanwhile.
    this.#awake += Math.min(now - this.#lookedAt, 2 * STALE_WATCH_LOOK_MS);
    this.#lookedAt = now;
    const stale = TOLD_KINDS.filter((kind) => {
      const position = versionNumber(this.#told[kind].newest);
      const known = this.#image.newest[kind];
      return this.#stale.get(kind)?.look(position, known, this.#awake) === true;
    });
    if (stale.length > 0) {
      this.#logger.warn("watches bring nothing: listing again", { stale });
      // What has happened to one connection has most likely happened to all, on every broker: of a new topic that none of them
      // has seen nobody can tell the others.
      for (const informer of this.#informers) informer.relist();
    }
    this.#scheduler.after(STALE_WATCH_LOOK_MS, () => {
      this.#look();
    });
  }

  /** When the API was last heard by the watch that has heard it least recently; undefined before `start` resolved. */
  get lastHeard(): Millis | undefined {
    let oldest: Millis | undefined;
    for (const { lastHeard } of this.#informers) {
      if (lastHeard === undefined) return undefined;
      oldest = Math.min(oldest ?? lastHeard, lastHeard);
    }
    return oldest;
  }

  stop(): void {
    this.#stopped = true;
    for (const informer of this.#informers) informer.stop();
  }
}
