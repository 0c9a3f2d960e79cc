import type { BrokerId, BrokerObject } from "../../cluster/broker.ts";
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
import { STALE_WATCH_LOOK_MS, StaleWatch } from "./stale-watch.ts";

/** Keeps the image up to date from watches; one per kind, restarted by themselves, or when others know more. */
export class MetadataWatcher {
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #shards: Informer<LeadershipShard>;
  readonly #slices: Informer<PartitionSlice>;
  readonly #image: MetadataImage;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #staleShards = new StaleWatch();
  readonly #staleSlices = new StaleWatch();
  readonly #staleEpochs = new StaleWatch();
  /** The newest that was heard of each. */
  readonly #brokerEpochs = new Map<BrokerId, number>();
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
    this.#slices = watch<PartitionSlice>(
      partitionSlices,
      ofCluster,
      (slice) => {
        image.absorbSlice(slice);
      },
      (slice) => {
        image.removeSlice(slice.metadata.name, slice.spec.topicId);
      },
    );
    this.#shards = watch<LeadershipShard>(
      leadershipShards,
      ofCluster,
      (shard) => {
        image.absorbShard(shard);
      },
      (shard) => {
        image.removeShard(shard.metadata.name);
      },
    );
    watch<Topic>(
      topics,
      undefined,
      (topic) => {
        if (topic.spec.cluster === clusterName) image.absorbTopic(topic);
      },
      (topic) => {
        image.removeTopic(topic.metadata.uid ?? "");
      },
    );
    watch<BrokerObject>(
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
    watch<Lease>(leases, ofCluster, options.onLease, () => undefined);
  }

  /** Resolves when every kind has been listed once. */
  async start(): Promise<void> {
    for (const informer of this.#informers) informer.start();
    await Promise.all(this.#informers.map((informer) => informer.synced));
    this.#look();
  }

  /**
   * A broker has said which epoch it is registered with. A controller whose watch has missed that would never see it run,
   * however often it is told.
   */
  heardOfBroker(id: BrokerId, epoch: number): void {
    this.#brokerEpochs.set(id, Math.max(epoch, this.#brokerEpochs.get(id) ?? -1));
  }

  #look(): void {
    if (this.#stopped) return;
    const now = this.#scheduler.now();
    const { shards, slices } = this.#image.newest;
    let unseen = 0;
    for (const [id, epoch] of this.#brokerEpochs) {
      if ((this.#image.brokers.get(id)?.epoch ?? -1) < epoch) unseen++;
    }
    const stale = [
      this.#staleShards.look(versionNumber(this.#shards.newest), shards, now),
      this.#staleSlices.look(versionNumber(this.#slices.newest), slices, now),
      this.#staleEpochs.look(0, unseen, now),
    ];
    if (stale.includes(true)) {
      this.#logger.warn("watches bring nothing: listing again", { shards, slices, unseen });
      // What has happened to one connection has most likely happened to all.
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
