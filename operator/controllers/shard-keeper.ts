import {
  type LeadershipShard,
  PARTITIONS_PER_SHARD,
  recordKey,
  topicIdOf,
} from "../../cluster/leadership-shard.ts";
import { shardName } from "../../cluster/names.ts";
import {
  API_VERSION,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import { AlreadyExistsError, NotFoundError } from "../../kube/errors.ts";
import type { WorkQueue } from "../../kube/work-queue.ts";
import { SECOND, type Millis } from "../../lib/units.ts";
import { type Caches, find, keyOf, shardKey, splitKey } from "../caches.ts";
import type { OperatorOptions } from "../operator.ts";
import { reconcileQueue } from "./reconcile-queue.ts";

/** A shard without slices is deleted after this long: topics may be deleted and made again. */
const EMPTY_FOR: Millis = 30 * SECOND;

/** A slice that is to be made. */
export interface WantedSlice {
  readonly name: string;
  readonly topicId: string;
  readonly firstPartition: number;
  /** How many. */
  readonly partitions: number;
}

/**
 * LeadershipShards: which one a new slice has its leaderships in, that each that a slice names is there, and that those go
 * that none names. No object owns a shard: like the slices of its topics it outlives the cluster, which may be made again
 * on the same volumes.
 */
export class ShardKeeper {
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #queue: WorkQueue;
  /** Shards of slices that may not be in the cache yet, by `namespace/name` of the slice. */
  readonly #chosen = new Map<string, { readonly shard: string; readonly partitions: number }>();
  /** Partitions of the slices that are in the cache, by shard. */
  readonly #sizes = new Map<string, number>();
  readonly #counted = new Map<string, { readonly shard: string; readonly partitions: number }>();
  /** Created, and perhaps not in the cache yet. */
  readonly #created = new Set<string>();
  readonly #creating = new Map<string, Promise<void>>();
  readonly #emptySince = new Map<string, Millis>();

  constructor(options: OperatorOptions, caches: Caches) {
    this.#options = options;
    this.#caches = caches;
    this.#queue = reconcileQueue(options, {
      handler: (key) => this.#reconcile(key),
      field: "shard",
      again: "a shard is looked at again",
      failed: "a shard could not be looked after",
    });
  }

  stop(): void {
    this.#queue.stop();
  }

  watch(): void {
    this.#caches.slices.onChange(({ object, type }) => {
      const key = keyOf(object);
      const shard = shardKey(object);
      this.#count(this.#counted.get(key), -1);
      this.#counted.delete(key);
      if (type !== "DELETED") {
        const counted = { shard, partitions: object.spec.partitions.length };
        this.#counted.set(key, counted);
        this.#count(counted, 1);
        this.#chosen.delete(key);
      }
      this.#queue.add(shard);
    });
    this.#caches.shards.onChange(({ object }) => {
      this.#created.delete(keyOf(object));
      this.#queue.add(keyOf(object));
    });
  }

  /**
   * The shard that has records of the slice's partitions already, as when somebody has deleted the slice; else the first one of
   * the cluster with room. The same one again for the same slice, until that is there.
   */
  choose(namespace: string, cluster: string, slice: WantedSlice): string {
    const sliceKey = `${namespace}/${slice.name}`;
    const { partitions } = slice;
    this.#chosen.delete(sliceKey);
    const former = this.#shardWith(namespace, cluster, slice);
    if (former !== undefined) return former;
    const coming = new Map<string, number>();
    for (const chosen of this.#chosen.values()) {
      coming.set(chosen.shard, (coming.get(chosen.shard) ?? 0) + chosen.partitions);
    }
    for (let index = 0; ; index++) {
      const name = shardName(cluster, index);
      const shard = `${namespace}/${name}`;
      const size = (this.#sizes.get(shard) ?? 0) + (coming.get(shard) ?? 0);
      if (size > 0 && size + partitions > PARTITIONS_PER_SHARD) continue;
      this.#chosen.set(sliceKey, { shard, partitions });
      return name;
    }
  }

  #shardWith(
    namespace: string,
    cluster: string,
    { topicId, firstPartition }: WantedSlice,
  ): string | undefined {
    const key = recordKey(topicId, firstPartition);
    for (const { metadata, spec, status } of this.#caches.shards.items().values()) {
      if ((metadata.namespace ?? "default") !== namespace || spec.cluster !== cluster) continue;
      if (status?.partitions?.[key] !== undefined) return metadata.name;
    }
    return undefined;
  }

  /** Makes the shard if it is not there as far as known. */
  ensure(namespace: string, cluster: string, name: string): Promise<void> {
    const key = `${namespace}/${name}`;
    if (this.#created.has(key) || find(this.#caches.shards, namespace, name) !== undefined) {
      return Promise.resolve();
    }
    const creating =
      this.#creating.get(key) ??
      this.#create(namespace, cluster, name).finally(() => this.#creating.delete(key));
    this.#creating.set(key, creating);
    return creating;
  }

  async #create(namespace: string, cluster: string, name: string): Promise<void> {
    const shard: LeadershipShard = {
      apiVersion: API_VERSION,
      kind: "LeadershipShard",
      metadata: { name, namespace, labels: { [CLUSTER_LABEL]: cluster } },
      spec: { cluster },
    };
    try {
      await this.#options.kube.create(leadershipShards, namespace, shard);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
    if (find(this.#caches.shards, namespace, name) === undefined) {
      this.#created.add(`${namespace}/${name}`);
    }
  }

  async #reconcile(key: string): Promise<void> {
    await this.#caches.synced;
    const { namespace, name } = splitKey(key);
    const [slice] = this.#caches.slicesIn(key);
    const shard = find(this.#caches.shards, namespace, name);
    if (slice !== undefined || shard === undefined) {
      this.#emptySince.delete(key);
      // Somebody has deleted it; what its records said the brokers know.
      if (slice !== undefined) await this.ensure(namespace, slice.spec.cluster, name);
      return;
    }
    const now = this.#options.scheduler.now();
    const since = this.#emptySince.get(key) ?? now;
    this.#emptySince.set(key, since);
    const left = since + EMPTY_FOR - now;
    if (left > 0) this.#queue.addAfter(key, left);
    else await this.#remove(namespace, shard);
  }

  /** On fresh lists, and only the shard that was looked at; never one with records of a topic that is there (C1). */
  async #remove(namespace: string, { metadata, spec, status }: LeadershipShard): Promise<void> {
    const { kube, logger } = this.#options;
    const { items } = await kube.list(partitionSlices, namespace, {
      labelSelector: `${CLUSTER_LABEL}=${spec.cluster}`,
    });
    const all = await kube.list(topics, namespace);
    const key = `${namespace}/${metadata.name}`;
    const isNamed = items.some((slice) => slice.spec.shard === metadata.name);
    const recorded = new Set(Object.keys(status?.partitions ?? {}).map(topicIdOf));
    const isNeeded = all.items.some((topic) => recorded.has(topic.metadata.uid ?? ""));
    const isChosen = [...this.#chosen.values()].some(({ shard }) => shard === key);
    if (isNamed || isNeeded || isChosen) return;
    const { uid, resourceVersion } = metadata;
    try {
      await kube.delete(leadershipShards, namespace, metadata.name, {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      });
      logger.info("a shard without partitions is deleted", { shard: metadata.name });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  #count(
    counted: { readonly shard: string; readonly partitions: number } | undefined,
    sign: 1 | -1,
  ): void {
    if (counted === undefined) return;
    const size = (this.#sizes.get(counted.shard) ?? 0) + sign * counted.partitions;
    if (size > 0) this.#sizes.set(counted.shard, size);
    else this.#sizes.delete(counted.shard);
  }
}
