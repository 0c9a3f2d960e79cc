import { replicaCount } from "../../cluster/assignments.ts";
import type { BrokerEndpoint, BrokerId } from "../../cluster/broker.ts";
import { isDismissed, restart } from "../../cluster/partition-change.ts";
import { ListenerList } from "../../lib/listener-list.ts";
import type { Millis } from "../../lib/units.ts";
import type { BrokerConfig } from "../config.ts";
import type { BrokerEnvironment } from "../environment.ts";
import type { LogManager } from "../log/types.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { RecordedPartition } from "../metadata/partition-records.ts";
import { effectiveTopicConfig, type EffectiveTopicConfig } from "../topic-config.ts";
import { ByPartition } from "./by-partition.ts";
import type { Contact } from "./contact.ts";
import type { LeadershipStore } from "./leadership-store.ts";
import { LogDeletion } from "./log-deletion.ts";
import { Partition } from "./partition.ts";
import { DamageRepair } from "./damage-repair.ts";
import { IsrChanges } from "./isr-changes.ts";
import { ReplicaFetcher } from "./replica-fetcher.ts";
import type { LeadershipListener, Replicas } from "./types.ts";

const TICK_MS = 100;
/** Changes of the ISR are considered at each sign; those that come with time alone, as lag, are found within this. */
const CONSIDER_MS: Millis = 500;

const NO_CONFIG: ReadonlyMap<string, string> = new Map();

/** All replicas on this broker: opens and closes them as the records say, and drives fetchers and ISR changes. */
export class ReplicaManager implements Replicas {
  readonly #self: BrokerId;
  readonly #environment: BrokerEnvironment;
  readonly #config: BrokerConfig;
  readonly #image: MetadataImage;
  readonly #logs: LogManager;
  readonly #store: LeadershipStore;
  readonly #contact: Contact;
  readonly damage: DamageRepair;
  readonly #deletion: LogDeletion;
  readonly #isrChanges: IsrChanges;
  readonly #ownEpoch: () => number;
  readonly #partitions = new ByPartition<Partition>();
  readonly #opening = new Set<string>();
  readonly #fetchers = new Map<BrokerId, ReplicaFetcher>();
  readonly #listeners: LeadershipListener[] = [];
  readonly #progress = new ByPartition<ListenerList>();
  /** Leader epoch by partition as recorded when this process registered (C3). */
  #burned: ReadonlyMap<string, number> = new Map();
  /** What follows from a topic's configuration, as last computed: it is asked for each change of a partition. */
  readonly #effective = new WeakMap<
    ReadonlyMap<string, string>,
    { readonly replicas: number; readonly config: EffectiveTopicConfig }
  >();
  /** Those that somebody waits for, of thousands. */
  readonly #waiting = new Set<Partition>();
  #consideredAt: Millis = -Infinity;
  #stopped = false;

  constructor(options: {
    readonly self: BrokerId;
    readonly clusterName: string;
    readonly namespace: string;
    readonly environment: BrokerEnvironment;
    readonly config: BrokerConfig;
    readonly image: MetadataImage;
    readonly logs: LogManager;
    readonly store: LeadershipStore;
    readonly contact: Contact;
    readonly ownEpoch: () => number;
  }) {
    this.#self = options.self;
    this.#environment = options.environment;
    this.#config = options.config;
    this.#image = options.image;
    this.#logs = options.logs;
    this.#store = options.store;
    this.#contact = options.contact;
    this.#ownEpoch = options.ownEpoch;
    const { network, scheduler, logger, panic } = options.environment;
    const { self, clusterName, namespace, image, store } = options;
    const { kube } = options.environment;
    const common = { self, kube, namespace, clusterName, image, store, scheduler, logger, panic };
    this.#isrChanges = new IsrChanges(common);
    this.#deletion = new LogDeletion({
      ...common,
      wanted: ({ topicId, partition }) =>
        this.#partitions.has(topicId, partition) || this.#opening.has(keyOf(topicId, partition)),
      delete: ({ topicId, partition }) => this.#logs.delete(topicId, partition),
    });
    this.damage = new DamageRepair({
      self: options.self,
      network,
      scheduler,
      logger,
      panic,
      endpoint: (id) => this.#endpoint(id),
    });
  }

  #endpoint(id: BrokerId): BrokerEndpoint | undefined {
    return this.#image.brokers.get(id)?.endpoints.find((one) => one.name === "internal");
  }

  addListener(listener: LeadershipListener): void {
    this.#listeners.push(listener);
  }

  /** @param burned leader epoch by `topicId/partition` that a quorum read gave after registration. */
  start(burned: ReadonlyMap<string, number>): void {
    this.#burned = burned;
    this.#image.onPartitions((changed, removed) => {
      for (const record of changed) this.#reconcile(record);
      for (const record of removed) this.#leave(record);
    });
    for (const record of this.#image.partitions()) this.#reconcile(record);
    for (const log of this.#logs.logs) {
      const { topicId, topic, partition } = log.identity;
      const record = this.#image.records.get(topicId, partition);
      // The list that filled the image was a quorum read; still the deletion asks again (C9).
      if (record?.placement.replicas.includes(this.#self) !== true) {
        this.#deletion.whenGone({ topic, topicId, partition });
      }
    }
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
    this.#deletion.stop();
    for (const fetcher of this.#fetchers.values()) fetcher.stop();
    for (const partition of this.#partitions.values()) partition.close();
    this.#partitions.clear();
  }

  get(topic: string, partition: number): Partition | undefined {
    const image = this.#image.topics.get(topic);
    return image === undefined ? undefined : this.byTopicId(image.topicId, partition);
  }

  byTopicId(topicId: string, partition: number): Partition | undefined {
    return this.#partitions.get(topicId, partition);
  }

  all(): Iterable<Partition> {
    return this.#partitions.values();
  }

  flush(): Promise<void> {
    return this.#logs.flush();
  }

  onProgress(topicId: string, partition: number, listener: () => void): () => void {
    const present = this.#progress.get(topicId, partition);
    const listeners = present ?? new ListenerList();
    const stop = listeners.add(listener);
    if (present === undefined) this.#progress.set(topicId, partition, listeners);
    return () => {
      stop();
      if (!listeners.empty || this.#progress.get(topicId, partition) !== listeners) return;
      this.#progress.delete(topicId, partition);
    };
  }

  /** Proposes the change of the ISR that is due, if one is. */
  considerIsr(partition: Partition, now = this.#environment.scheduler.now()): void {
    const leader = partition.leaderReplica;
    if (leader === undefined || leader.hasPending) return;
    const proposal = leader.propose(now, this.#config.replicaLagTimeMaxMs, (id, epoch) => {
      const broker = this.#image.brokers.get(id);
      const { state, placement } = partition.record;
      // One that the controller has just taken out at the end of a move still fetches for a moment.
      if (state !== undefined && isDismissed(state, placement, id)) return false;
      return broker !== undefined && !broker.fenced && broker.epoch === epoch;
    });
    if (proposal === undefined) return;
    this.#isrChanges.propose({ partition, leader, proposal });
  }

  effectiveConfig(record: RecordedPartition): EffectiveTopicConfig {
    const own = this.#image.topicsById.get(record.topicId)?.config ?? NO_CONFIG;
    const replicas = replicaCount(record.placement);
    const known = this.#effective.get(own);
    if (known?.replicas === replicas) return known.config;
    const config = effectiveTopicConfig(own, this.#config, replicas);
    this.#effective.set(own, { replicas, config });
    return config;
  }

  #reconcile(record: RecordedPartition): void {
    if (this.#stopped) return;
    const key = keyOf(record.topicId, record.partition);
    if (!record.placement.replicas.includes(this.#self)) {
      this.#leave(record);
      return;
    }
    const partition = this.#partitions.get(record.topicId, record.partition);
    if (partition !== undefined) {
      this.#apply(partition, record);
      return;
    }
    if (this.#opening.has(key)) return;
    this.#opening.add(key);
    this.#open(record, key).catch((error: unknown) => this.#environment.panic(error));
  }

  async #open(record: RecordedPartition, key: string): Promise<void> {
    const { topic, topicId, partition } = record;
    const log = await this.#logs.open(
      { topic, topicId, partition },
      this.effectiveConfig(record).log,
    );
    this.#opening.delete(key);
    const current = this.#image.records.get(topicId, partition);
    if (this.#stopped) return;
    if (current?.placement.replicas.includes(this.#self) !== true) {
      this.#deletion.whenGone({ topic, topicId, partition });
      return;
    }
    const opened = new Partition(current, log, this.#burned.get(key) ?? -1, {
      self: this.#self,
      scheduler: this.#environment.scheduler,
      contact: this.#contact,
      brokerEpoch: (id) => this.#image.brokers.get(id)?.epoch ?? -1,
      onProgress: (progressed) => {
        this.#progressed(progressed);
      },
      onOutsider: (outside) => {
        this.considerIsr(outside);
      },
      onWaiting: (waiting) => {
        this.#waiting.add(waiting);
      },
    });
    log.onDamage = (error) => {
      if (!opened.closed) this.damage.begin(opened, error);
    };
    this.#partitions.set(topicId, partition, opened);
    this.#apply(opened, current);
  }

  #apply(partition: Partition, record: RecordedPartition): void {
    const before = partition.following;
    const formerEpoch = partition.leaderEpoch;
    const effective = this.effectiveConfig(record);
    partition.log.config = effective.log;
    const change = partition.apply(record, effective.minInSyncReplicas);
    if (record.state?.leader === this.#self && !partition.isLeader) this.#resign(record);
    const after = partition.following;
    if (before !== undefined && before.leader !== after?.leader) {
      this.#fetchers.get(before.leader)?.unfollow(partition.topicId, partition.partition);
    }
    if (after !== undefined) this.#fetcher(after.leader).follow(partition, after.leaderEpoch);
    if (
      change === "lost-leadership" ||
      (change === "became-leader" && formerEpoch !== partition.leaderEpoch)
    ) {
      for (const listener of this.#listeners) {
        listener.onLostLeadership(partition.topic, partition.partition, formerEpoch);
      }
    }
    if (change === "became-leader") {
      for (const listener of this.#listeners) listener.onBecameLeader(partition);
    }
    this.considerIsr(partition);
  }

  /** Elected in an epoch that this process may not lead in (C3): give it up, so that a new one is begun. */
  #resign(record: RecordedPartition): void {
    this.#store
      .update(record, (state, placement) =>
        state.leaderEpoch === record.state?.leaderEpoch
          ? restart(state, placement, this.#self, false)
          : undefined,
      )
      .catch((error: unknown) => this.#environment.panic(error));
  }

  #fetcher(source: BrokerId): ReplicaFetcher {
    const existing = this.#fetchers.get(source);
    if (existing !== undefined) return existing;
    const { network, scheduler, logger, panic } = this.#environment;
    const fetcher = new ReplicaFetcher(source, {
      self: this.#self,
      ownEpoch: this.#ownEpoch,
      network,
      scheduler,
      logger,
      panic,
      endpoint: (id) => this.#endpoint(id),
      flush: () => this.#logs.flush(),
      intake: this.#logs.intake,
      fetchWaitMaxMs: this.#config.replicaFetchWaitMaxMs,
      fetchMaxBytes: this.#config.replicaFetchResponseMaxBytes,
      partitionMaxBytes: this.#config.replicaFetchMaxBytes,
      requestTimeoutMs: this.#config.replicaFetchWaitMaxMs + this.#config.brokerSessionTimeoutMs,
      uncleanAllowed: (partition) => this.effectiveConfig(partition.record).uncleanLeaderElection,
    });
    this.#fetchers.set(source, fetcher);
    return fetcher;
  }

  /** This broker is no replica of the partition any more, or the topic is gone. */
  #leave(record: RecordedPartition): void {
    const partition = this.#partitions.get(record.topicId, record.partition);
    if (partition === undefined) return;
    this.#partitions.delete(record.topicId, record.partition);
    const { following, isLeader, leaderEpoch } = partition;
    if (following !== undefined)
      this.#fetchers.get(following.leader)?.unfollow(record.topicId, record.partition);
    partition.close();
    if (isLeader) {
      for (const listener of this.#listeners) {
        listener.onLostLeadership(record.topic, record.partition, leaderEpoch);
      }
    }
    const { topic, topicId, partition: index } = record;
    this.#deletion.whenGone({ topic, topicId, partition: index });
  }

  #progressed(partition: Partition): void {
    this.#progress.get(partition.topicId, partition.partition)?.call();
  }

  #tick(): void {
    if (this.#stopped) return;
    const now = this.#environment.scheduler.now();
    for (const partition of this.#waiting) {
      if (!partition.expire(now)) this.#waiting.delete(partition);
    }
    if (now - this.#consideredAt >= CONSIDER_MS) {
      this.#consideredAt = now;
      for (const partition of this.#partitions.values()) {
        if (partition.isLeader) this.considerIsr(partition, now);
      }
    }
    this.#environment.scheduler.after(TICK_MS, () => {
      this.#tick();
    });
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${String(partition)}`;
}
