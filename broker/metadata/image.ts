import type { BrokerEndpoint, BrokerId, BrokerObject } from "../../cluster/broker.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { outsideListeners, type ListenerStatus } from "../../cluster/listeners.ts";
import type { LeadershipShard } from "../../cluster/leadership-shard.ts";
import { NO_LEADER, type PartitionSlice } from "../../cluster/partition-slice.ts";
import type { Topic } from "../../cluster/topic.ts";
import { isOlderVersion, versionNumber } from "../../kube/resource-version.ts";
import { ownTopicConfig } from "../topic-config-change.ts";
import {
  PartitionRecords,
  type RecordChanges,
  type RecordedPartition,
  type ShardImage,
  type SliceImage,
} from "./partition-records.ts";
import { NOTHING_SEEN, type NewestVersions, TOLD_KINDS } from "./stale-watch.ts";
import type { BrokerImage, MetadataView, PartitionImage, TopicImage } from "./view.ts";

/** Which records an absorbed object changed. */
export type ImageListener = (
  changed: readonly RecordedPartition[],
  removed: readonly RecordedPartition[],
) => void;

/**
 * The cluster as this broker knows it, folded from whatever copies of objects arrive, in whatever order: a stale watch
 * event or list can never take the broker back in time. (core)
 */
export class MetadataImage implements MetadataView {
  /** The BrokerCluster's uid in the form of Kafka's cluster ids (22 characters); empty until it was read. */
  clusterId = "";
  controllerId: BrokerId = -1;
  brokerCount = 0;
  readonly brokers = new Map<BrokerId, BrokerImage>();
  readonly topics = new Map<string, TopicImage>();
  readonly topicsById = new Map<string, TopicImage>();
  brokerConfig: ReadonlyMap<string, string> = new Map();
  /** Ports of the listeners for clients from outside, by name; this broker is to open them. */
  outside: ReadonlyMap<string, number> = new Map();
  /** What the operator found of them. */
  #advertised: readonly ListenerStatus[] = [];
  /** What brokers have registered, without the listeners from outside. */
  readonly #registered = new Map<BrokerId, readonly BrokerEndpoint[]>();
  readonly #records = new PartitionRecords();
  #newest: NewestVersions = NOTHING_SEEN;
  readonly #topicObjects = new Map<string, Topic>();
  /** Of which copy of its object each broker's entry is. */
  readonly #brokerVersions = new Map<
    BrokerId,
    { readonly uid: string | undefined; readonly resourceVersion: string | undefined }
  >();
  readonly #listeners = new Set<() => void>();
  readonly #partitionListeners = new Set<ImageListener>();
  readonly #goneListeners = new Set<(name: string, topicId: string) => void>();
  /** Topics that are gone, and nobody was told of yet. */
  #gone: TopicImage[] = [];

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onTopicGone(listener: (name: string, topicId: string) => void): () => void {
    this.#goneListeners.add(listener);
    return () => this.#goneListeners.delete(listener);
  }

  /** Like onChange, with the partition records that changed. */
  onPartitions(listener: ImageListener): void {
    this.#partitionListeners.add(listener);
  }

  get slices(): ReadonlyMap<string, SliceImage> {
    return this.#records.slices;
  }

  get shards(): ReadonlyMap<string, ShardImage> {
    return this.#records.shards;
  }

  /** All partitions that slices have. */
  *partitions(): Generator<RecordedPartition> {
    for (const { partitions } of this.slices.values()) yield* partitions;
  }

  /** What is known of partitions beyond what the topics say. */
  get records(): Pick<
    PartitionRecords,
    "get" | "recorded" | "unplaced" | "partitionsOf" | "isInShard"
  > {
    return this.#records;
  }

  get newest(): NewestVersions {
    return this.#newest;
  }

  /** Another broker has seen these versions. */
  heardOf(versions: Partial<NewestVersions>): void {
    for (const kind of TOLD_KINDS) {
      const version = versions[kind] ?? 0;
      if (version > this.#newest[kind]) this.#newest = { ...this.#newest, [kind]: version };
    }
  }

  /** A copy of a slice from a watch, a list, a read or the answer to a write. */
  absorbSlice(object: PartitionSlice): void {
    this.heardOf({ slices: versionNumber(object.metadata.resourceVersion) });
    this.#follow(this.#records.absorbSlice(object));
  }

  /** The slice is gone (or its topic was made anew). */
  removeSlice(name: string, topicId: string): void {
    this.#follow(this.#records.removeSlice(name, topicId));
  }

  /** A copy of a shard, likewise. */
  absorbShard(object: LeadershipShard): void {
    this.heardOf({ shards: versionNumber(object.metadata.resourceVersion) });
    this.#follow(this.#records.absorbShard(object));
  }

  removeShard(name: string): void {
    this.#records.removeShard(name);
  }

  #follow({ topicIds, changed, removed }: RecordChanges): void {
    if (topicIds.size === 0) return;
    for (const topicId of topicIds) this.#rebuildTopic(topicId);
    this.#notify(changed, removed);
  }

  absorbTopic(object: Topic): void {
    this.heardOf({ topics: versionNumber(object.metadata.resourceVersion) });
    const { uid = "", generation } = object.metadata;
    const known = this.#topicObjects.get(uid);
    // Its status alone has changed, which brokers do not go by.
    if (generation !== undefined && known?.metadata.generation === generation) return;
    this.#topicObjects.set(uid, object);
    this.#rebuildTopic(uid);
    this.#notify(
      this.#records.slicesOf(uid).flatMap(({ partitions }) => partitions),
      [],
    );
  }

  removeTopic(uid: string): void {
    if (!this.#topicObjects.delete(uid)) return;
    this.#rebuildTopic(uid);
    this.#notify([], []);
  }

  absorbBroker(object: BrokerObject): void {
    this.heardOf({ brokers: versionNumber(object.metadata.resourceVersion) });
    const { id } = object.spec;
    const epoch = object.status?.epoch ?? -1;
    const known = this.brokers.get(id);
    if (known !== undefined && epoch < known.epoch) return;
    // Within one epoch the controller changes the state: the answer to a read may come after a newer event of the watch,
    // which says what it has said only once.
    const { resourceVersion, uid } = object.metadata;
    const before = this.#brokerVersions.get(id);
    if (before?.uid === uid && isOlderVersion(resourceVersion, before?.resourceVersion)) return;
    this.#brokerVersions.set(id, { uid, resourceVersion });
    const registered = object.status?.endpoints ?? [];
    this.#registered.set(id, registered);
    this.brokers.set(id, {
      id,
      epoch,
      endpoints: [...registered, ...this.#outsideEndpoints(id)],
      rack: object.status?.rack,
      state: object.status?.state ?? "fenced",
      fenced: (object.status?.state ?? "fenced") === "fenced",
      conditions: object.status?.conditions,
      generation: object.metadata.generation,
    });
    this.#notify([], []);
  }

  removeBroker(id: BrokerId): void {
    this.#brokerVersions.delete(id);
    this.#registered.delete(id);
    if (this.brokers.delete(id)) this.#notify([], []);
  }

  absorbCluster(object: BrokerCluster): void {
    const uid = (object.metadata.uid ?? "").replaceAll("-", "");
    this.clusterId = Buffer.from(uid, "hex").toString("base64url");
    this.brokerCount = object.spec.brokers;
    this.brokerConfig = new Map(Object.entries(object.spec.config ?? {}));
    const outside = outsideListeners(object.spec.listeners);
    this.outside = new Map(outside.map(({ name, port }) => [name, port]));
    this.#advertised = (object.status?.listeners ?? []).filter(({ name }) =>
      this.outside.has(name),
    );
    for (const [id, broker] of this.brokers) {
      const endpoints = [...(this.#registered.get(id) ?? []), ...this.#outsideEndpoints(id)];
      this.brokers.set(id, { ...broker, endpoints });
    }
    this.#notify([], []);
  }

  /** Where clients that come in from outside reach a broker, as far as the operator knows. */
  #outsideEndpoints(id: BrokerId): BrokerEndpoint[] {
    return this.#advertised.flatMap(({ name, brokers }) => {
      const found = brokers.find((one) => one.id === id);
      if (found === undefined) return [];
      return [{ name, host: found.host, port: found.port, protocol: "PLAINTEXT" as const }];
    });
  }

  setController(id: BrokerId): void {
    if (this.controllerId === id) return;
    this.controllerId = id;
    this.#notify([], []);
  }

  #rebuildTopic(topicId: string): void {
    const old = this.topicsById.get(topicId);
    const slices = this.#records
      .slicesOf(topicId)
      .sort((a, b) => (a.partitions[0]?.partition ?? 0) - (b.partitions[0]?.partition ?? 0));
    const first = slices[0];
    const object = this.#topicObjects.get(topicId);
    if (first === undefined || object === undefined) {
      this.topicsById.delete(topicId);
      if (old !== undefined && this.topics.get(old.name)?.topicId === topicId) {
        this.topics.delete(old.name);
        this.#gone.push(old);
      }
      return;
    }
    const partitions: PartitionImage[] = [];
    for (const slice of slices) {
      for (const record of slice.partitions) {
        if (record.partition !== partitions.length) break;
        partitions.push(imageOf(record));
      }
    }
    const generation = object.metadata.generation ?? 0;
    const image: TopicImage = {
      name: first.topic,
      topicId,
      objectName: object.metadata.name,
      generation,
      internal: first.topic.startsWith("__"),
      // The same one as long as it says the same: what is made of it is kept by it.
      config:
        old !== undefined && generation > 0 && old.generation === generation
          ? old.config
          : ownTopicConfig(object.spec),
      assignments: object.spec.assignments ?? [],
      partitions,
    };
    const former = this.topics.get(image.name);
    if (former !== undefined && former.topicId !== topicId) this.#gone.push(former);
    this.topicsById.set(topicId, image);
    this.topics.set(image.name, image);
  }

  #notify(changed: readonly RecordedPartition[], removed: readonly RecordedPartition[]): void {
    if (changed.length > 0 || removed.length > 0) {
      for (const listener of this.#partitionListeners) listener(changed, removed);
    }
    const gone = this.#gone;
    this.#gone = [];
    for (const { name, topicId } of gone) {
      for (const listener of [...this.#goneListeners]) listener(name, topicId);
    }
    for (const listener of [...this.#listeners]) listener();
  }
}

function imageOf(record: RecordedPartition): PartitionImage {
  return {
    partition: record.partition,
    leader: record.state?.leader ?? NO_LEADER,
    leaderEpoch: record.state?.leaderEpoch ?? 0,
    partitionEpoch: record.state?.partitionEpoch ?? -1,
    replicas: record.placement.replicas,
    isr: record.state?.isr ?? [],
    elr: record.state?.elr ?? [],
    adding: record.placement.adding ?? [],
    removing: record.placement.removing ?? [],
  };
}
