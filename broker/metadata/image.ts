import type { BrokerEndpoint, BrokerId, BrokerObject } from "../../cluster/broker.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { outsideListeners, type ListenerStatus } from "../../cluster/listeners.ts";
import {
  NO_LEADER,
  type PartitionPlacement,
  type PartitionSlice,
  type PartitionState,
} from "../../cluster/partition-slice.ts";
import type { Topic } from "../../cluster/topic.ts";
import { isOlderVersion, versionNumber } from "../../kube/resource-version.ts";
import { ownTopicConfig } from "../topic-config-change.ts";
import type { BrokerImage, MetadataView, PartitionImage, TopicImage } from "./view.ts";

/** One partition's record with where it is kept. */
export interface RecordedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Name of its PartitionSlice and its index therein. */
  readonly slice: string;
  readonly index: number;
  readonly placement: PartitionPlacement;
  /** Missing until the controller has recorded one. */
  readonly state: PartitionState | undefined;
}

export interface SliceImage {
  readonly name: string;
  readonly topic: string;
  readonly topicId: string;
  /** metadata.generation of the newest copy: it grows with each change of the placement. */
  readonly generation: number;
  /** Of the newest copy, which the records are no older than. */
  readonly resourceVersion: string | undefined;
  readonly partitions: readonly RecordedPartition[];
}

/** Which records an absorbed object changed. */
export type ImageListener = (
  changed: readonly RecordedPartition[],
  removed: readonly RecordedPartition[],
) => void;

/**
 * The cluster as this broker knows it, folded from whatever copies of objects arrive, in whatever order: a partition's
 * record is replaced only by one of a higher partition epoch (or the same with another placement), so that a stale
 * watch event or list can never take the broker back in time. (core)
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
  readonly slices = new Map<string, SliceImage>();
  /** The newest resourceVersion of any slice that this broker, or another one that told it, has seen. */
  #newestSliceVersion = 0;
  readonly #slicesByTopicId = new Map<string, Set<string>>();
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

  get newestSliceVersion(): number {
    return this.#newestSliceVersion;
  }

  /** Another broker has seen this version of a slice. */
  heardOfSliceVersion(version: number): void {
    this.#newestSliceVersion = Math.max(this.#newestSliceVersion, version);
  }

  record(topicId: string, partition: number): RecordedPartition | undefined {
    for (const name of this.#slicesByTopicId.get(topicId) ?? []) {
      const slice = this.slices.get(name);
      const first = slice?.partitions[0]?.partition;
      if (slice === undefined || first === undefined) continue;
      const found = slice.partitions[partition - first];
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A copy of a slice from a watch, a list, a read or the answer to a write. */
  absorbSlice(object: PartitionSlice): void {
    this.heardOfSliceVersion(versionNumber(object.metadata.resourceVersion));
    const known = this.slices.get(object.metadata.name);
    // A topic that was deleted and made again has a slice of the same name and another topic id.
    const before = known?.topicId === object.spec.topicId ? known : undefined;
    if (known !== undefined && before === undefined) this.removeSlice(known.name, known.topicId);
    const generation = object.metadata.generation ?? 0;
    const stale = before !== undefined && generation < before.generation;
    const changed: RecordedPartition[] = [];
    const partitions = object.spec.partitions.map((arrived, index): RecordedPartition => {
      const old = before?.partitions[index];
      const placement = stale && old !== undefined ? old.placement : arrived;
      const state = newer(old?.state, object.status?.partitions?.[index]);
      if (old !== undefined && state === old.state && samePlacement(old.placement, placement))
        return old;
      const record: RecordedPartition = {
        topic: object.spec.topic,
        topicId: object.spec.topicId,
        partition: object.spec.firstPartition + index,
        slice: object.metadata.name,
        index,
        placement,
        state,
      };
      changed.push(record);
      return record;
    });
    // Slices never shrink: a copy with fewer partitions than known is an old one.
    const kept = before?.partitions.slice(partitions.length) ?? [];
    const { resourceVersion } = object.metadata;
    const older = isOlderVersion(resourceVersion, before?.resourceVersion);
    const newest = older ? before?.resourceVersion : resourceVersion;
    if (changed.length === 0 && before !== undefined) {
      if (newest !== before.resourceVersion) {
        this.slices.set(before.name, { ...before, resourceVersion: newest });
      }
      return;
    }
    this.slices.set(object.metadata.name, {
      name: object.metadata.name,
      resourceVersion: newest,
      generation: Math.max(generation, before?.generation ?? 0),
      topic: object.spec.topic,
      topicId: object.spec.topicId,
      partitions: [...partitions, ...kept],
    });
    const names = this.#slicesByTopicId.get(object.spec.topicId) ?? new Set<string>();
    names.add(object.metadata.name);
    this.#slicesByTopicId.set(object.spec.topicId, names);
    this.#rebuildTopic(object.spec.topicId);
    this.#notify(changed, []);
  }

  /** The slice is gone (or its topic was made anew). */
  removeSlice(name: string, topicId: string): void {
    const slice = this.slices.get(name);
    if (slice?.topicId !== topicId) return;
    this.slices.delete(name);
    const names = this.#slicesByTopicId.get(topicId);
    names?.delete(name);
    if (names?.size === 0) this.#slicesByTopicId.delete(topicId);
    this.#rebuildTopic(topicId);
    this.#notify([], slice.partitions);
  }

  absorbTopic(object: Topic): void {
    const { uid = "", generation } = object.metadata;
    const known = this.#topicObjects.get(uid);
    // Its status alone has changed, which brokers do not go by.
    if (generation !== undefined && known?.metadata.generation === generation) return;
    this.#topicObjects.set(uid, object);
    this.#rebuildTopic(uid);
    const changed = [...(this.#slicesByTopicId.get(uid) ?? [])].flatMap(
      (name) => this.slices.get(name)?.partitions ?? [],
    );
    this.#notify(changed, []);
  }

  removeTopic(uid: string): void {
    if (!this.#topicObjects.delete(uid)) return;
    this.#rebuildTopic(uid);
    this.#notify([], []);
  }

  absorbBroker(object: BrokerObject): void {
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
    const slices = [...(this.#slicesByTopicId.get(topicId) ?? [])]
      .map((name) => this.slices.get(name))
      .filter((slice) => slice !== undefined)
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

function newer(
  known: PartitionState | undefined,
  arrived: PartitionState | undefined,
): PartitionState | undefined {
  if (arrived === undefined) return known;
  if (known === undefined || arrived.partitionEpoch > known.partitionEpoch) return arrived;
  return known;
}

function samePlacement(a: PartitionPlacement, b: PartitionPlacement): boolean {
  return (
    a === b ||
    (a.replicas.join() === b.replicas.join() &&
      (a.adding ?? []).join() === (b.adding ?? []).join() &&
      (a.removing ?? []).join() === (b.removing ?? []).join())
  );
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
