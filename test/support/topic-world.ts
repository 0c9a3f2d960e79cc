import { BrokerConfig } from "../../broker/config.ts";
import { MetadataImage } from "../../broker/metadata/image.ts";
import { MetadataWatcher } from "../../broker/metadata/watcher.ts";
import { TopicAdmin } from "../../broker/topic-admin.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import { shardName, sliceName, topicObjectName } from "../../cluster/names.ts";
import { recordStates } from "./recorded-slices.ts";
import type { PartitionPlacement } from "../../cluster/partition-slice.ts";
import {
  API_VERSION,
  brokerClusters,
  brokers,
  CLUSTER_LABEL,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi } from "../../kube/api.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import { createMemoryKubeApi, type MemoryKubeApiOptions } from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

const NAMESPACE = "default";
const CLUSTER = "test";

/** What a broker's TopicAdmin works with: the API in memory, and the broker's view of it, in virtual time. */
export class TopicWorld {
  readonly scheduler = new VirtualScheduler();
  readonly kube: KubeApi;
  readonly image = new MetadataImage();
  readonly admin: TopicAdmin;
  readonly config: BrokerConfig;
  readonly #watcher: MetadataWatcher;

  constructor(
    options: {
      readonly fault?: MemoryKubeApiOptions["fault"];
      readonly config?: Readonly<Record<string, string>>;
    } = {},
  ) {
    const { scheduler, image } = this;
    const random = seededRandom(1);
    const store = new ObjectStore({ scheduler, random });
    this.kube = createMemoryKubeApi({
      store,
      scheduler,
      ...(options.fault === undefined ? {} : { fault: options.fault }),
    });
    this.config = new BrokerConfig(new Map(Object.entries(options.config ?? {})));
    const common = {
      kube: this.kube,
      namespace: NAMESPACE,
      clusterName: CLUSTER,
      scheduler,
      random,
      logger: silentLogger,
    };
    this.admin = new TopicAdmin({ ...common, metadata: image, config: this.config });
    this.#watcher = new MetadataWatcher({
      ...common,
      image,
      onLease: () => undefined,
      panic: (error) => {
        throw error;
      },
    });
  }

  /** Brokers 0 to `count` - 1 run. */
  async start(count = 3): Promise<void> {
    const { kube, scheduler } = this;
    const making = [
      kube.create(brokerClusters, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata: { name: CLUSTER, namespace: NAMESPACE },
        spec: { brokers: count },
      }),
      ...Array.from({ length: count }, (_, id) => this.#register(id)),
    ];
    await scheduler.until(Promise.all(making));
    await scheduler.until(this.#watcher.start());
  }

  async #register(id: BrokerId): Promise<void> {
    const name = `${CLUSTER}-${id}`;
    const made = await this.kube.create(brokers, NAMESPACE, {
      apiVersion: API_VERSION,
      kind: "Broker",
      metadata: { name, namespace: NAMESPACE, labels: { [CLUSTER_LABEL]: CLUSTER } },
      spec: { cluster: CLUSTER, id },
    });
    const status = { epoch: 1, state: "running" as const };
    await this.kube.replace(brokers, NAMESPACE, { ...made, status }, { subresource: "status" });
  }

  /** A topic with its slice and leaders, as this broker sees it when that is done. */
  async topic(
    name: string,
    placements: readonly PartitionPlacement[],
    spec: Partial<Topic["spec"]> = {},
  ): Promise<Topic> {
    const { kube, scheduler } = this;
    const objectName = topicObjectName(name);
    const labels = { [CLUSTER_LABEL]: CLUSTER };
    const topic = await scheduler.until(
      kube.create<Topic>(topics, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { name: objectName, namespace: NAMESPACE, labels },
        spec: { cluster: CLUSTER, topicName: name, partitions: placements.length, ...spec },
      }),
    );
    const slice = await scheduler.until(
      kube.create(partitionSlices, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "PartitionSlice",
        metadata: { name: sliceName(objectName, 0), namespace: NAMESPACE, labels },
        spec: {
          cluster: CLUSTER,
          topic: name,
          topicId: topic.metadata.uid ?? "",
          shard: shardName(CLUSTER, 0),
          firstPartition: 0,
          partitions: placements,
        },
      }),
    );
    const partitions = placements.map(({ replicas }) => ({
      leader: replicas[0] ?? -1,
      leaderEpoch: 0,
      isr: replicas,
      elr: [],
      partitionEpoch: 0,
    }));
    await scheduler.until(recordStates(kube, NAMESPACE, slice, partitions));
    await scheduler.advance(10);
    return topic;
  }

  /** The Topic object as it is recorded. */
  read(name: string): Promise<Topic> {
    return this.scheduler.until(this.kube.get(topics, NAMESPACE, topicObjectName(name)));
  }

  stop(): void {
    this.#watcher.stop();
  }
}
