import type { BrokerId } from "../../cluster/broker.ts";
import { depart } from "../../cluster/partition-change.ts";
import { type RecordedStates, recordedStates } from "../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import {
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { LeadershipStore } from "./leadership-store.ts";

/** Between two looks at what could not be told, or may not be deleted yet. */
const RETRY_MS: Millis = 1000;

export interface LogIdentity {
  readonly topic: string;
  /** Lower-case UUID with dashes. */
  readonly topicId: string;
  readonly partition: number;
}

export interface LogDeletionOptions {
  readonly self: BrokerId;
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly panic: (error: unknown) => void;
  /** Whether the partition is open here, or about to be: its log is in use. */
  readonly wanted: (log: LogIdentity) => boolean;
  readonly delete: (log: LogIdentity) => Promise<void>;
}

/** What quorum reads, one after the other, say of all partitions. */
interface Recorded {
  readonly slices: readonly PartitionSlice[];
  readonly states: RecordedStates;
  readonly topicIds: ReadonlySet<string | undefined>;
}

/**
 * Deletes logs that are not wanted here any more, once quorum reads have shown that nobody counts on them (C9). All that
 * wait share the reads: a topic has many partitions, and many topics may go at once.
 */
export class LogDeletion {
  readonly #options: LogDeletionOptions;
  #waiting = new Map<string, LogIdentity>();
  #running = false;
  #stopped = false;

  constructor(options: LogDeletionOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Never rejects: what goes wrong with a log itself goes to `panic`. */
  whenGone(log: LogIdentity): void {
    this.#waiting.set(`${log.topicId}/${String(log.partition)}`, log);
    if (this.#running) return;
    this.#running = true;
    this.#options.scheduler.soon(() => {
      this.#run().catch((error: unknown) => {
        this.#options.panic(error);
      });
    });
  }

  async #run(): Promise<void> {
    const { scheduler, wanted, logger } = this.#options;
    const looking = this.#waiting;
    this.#waiting = new Map();
    const recorded = await this.#read().catch(() => undefined);
    await Promise.all(
      [...looking].map(async ([key, log]) => {
        let found = recorded === undefined ? "unknown" : this.#verdict(log, recorded);
        if (found === "moved") found = (await this.#departs(log)) ? "gone" : "unknown";
        // It may have come back while the answers were on their way, and count in the ISR by now.
        if (this.#stopped || wanted(log)) return;
        if (found === "unknown") this.#waiting.set(key, log);
        if (found !== "gone") return;
        logger.info("log deleted", { ...log });
        await this.#options.delete(log);
      }),
    );
    this.#running = this.#waiting.size > 0 && !this.#stopped;
    if (!this.#running) return;
    scheduler.after(RETRY_MS, () => {
      this.#run().catch((error: unknown) => {
        this.#options.panic(error);
      });
    });
  }

  /** Whether nobody can count on this replica any more: what was decided on an older placement is defeated (C7). */
  async #departs({ topicId, partition }: LogIdentity): Promise<boolean> {
    const { image, store, self } = this.#options;
    const record = image.records.get(topicId, partition);
    if (record?.state === undefined) return record !== undefined;
    return (await store.update(record, (state) => depart(state, self))).kind === "recorded";
  }

  /** Placements first: a state that is read later is no older than the placement that it is held against. */
  async #read(): Promise<Recorded> {
    const { kube, namespace, clusterName, image } = this.#options;
    const ofCluster = { labelSelector: `${CLUSTER_LABEL}=${clusterName}` };
    const slices = await kube.list(partitionSlices, namespace, ofCluster);
    const shards = await kube.list(leadershipShards, namespace, ofCluster);
    const all = await kube.list(topics, namespace);
    for (const slice of slices.items) image.absorbSlice(slice);
    for (const shard of shards.items) image.absorbShard(shard);
    return {
      slices: slices.items,
      states: recordedStates(shards.items),
      topicIds: new Set(all.items.map(({ metadata }) => metadata.uid)),
    };
  }

  #verdict(
    { topicId, partition }: LogIdentity,
    { slices, states, topicIds }: Recorded,
  ): "gone" | "moved" | "placed" | "unknown" {
    const { self } = this.#options;
    const slice = slices.find(
      ({ spec }) =>
        spec.topicId === topicId && spec.partitions[partition - spec.firstPartition] !== undefined,
    );
    // A slice alone may be missing for a moment, when somebody has deleted it.
    if (slice === undefined) return topicIds.has(topicId) ? "unknown" : "gone";
    const index = partition - slice.spec.firstPartition;
    if (slice.spec.partitions[index]?.replicas.includes(self) === true) return "placed";
    // Placement and state are two objects: as long as this replica counts, its records are kept.
    const { isr = [], elr = [] } = states.of(slice, index) ?? {};
    return isr.includes(self) || elr.includes(self) ? "unknown" : "moved";
  }
}
