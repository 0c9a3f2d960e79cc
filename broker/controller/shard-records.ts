import { partitionOf, recordPath, stateText, topicIdOf } from "../../cluster/leadership-shard.ts";
import type { PartitionState } from "../../cluster/partition-slice.ts";
import { leadershipShards, topics } from "../../cluster/resources.ts";
import type { JsonPatchOperation, KubeApi } from "../../kube/api.ts";
import { ConflictError, InvalidError } from "../../kube/errors.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { RecordedPartition, ShardImage } from "../metadata/partition-records.ts";
import type { LeadershipStore } from "../replication/leadership-store.ts";

/** Between two additions to the same shard, when partitions wait for the next. */
const GATHER_MS: Millis = 50;

export interface ShardRecordsOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** Whether this broker is the controller, and so has records added and taken out. */
  readonly active: () => boolean;
  /** The first state of a partition that has none; undefined while none of its replicas can lead. */
  readonly initial: (record: RecordedPartition) => PartitionState | undefined;
}

/**
 * Which records the shards have: those of new partitions come in, those of deleted topics go. JSON Patch cannot ask that
 * something be missing, so each write is bound to the version of the shard that it was decided on.
 */
export class ShardRecords {
  readonly #options: ShardRecordsOptions;
  /** Shards that records are added to; true if more partitions want one meanwhile. */
  readonly #adding = new Map<string, boolean>();
  #tidying = false;

  constructor(options: ShardRecordsOptions) {
    this.#options = options;
  }

  /** Adds the records of partitions that have none in this shard. Never rejects. */
  add(shard: string): void {
    if (this.#adding.has(shard)) {
      this.#adding.set(shard, true);
      return;
    }
    this.#adding.set(shard, false);
    this.#options.store
      .inTurn(() => this.#read(shard, (known) => this.#append(known)))
      .catch((error: unknown) => {
        this.#options.logger.debug("records of new partitions wait", {
          shard,
          error: String(error),
        });
      })
      .finally(() => {
        const again = this.#adding.get(shard) === true && this.#options.active();
        if (!again) this.#adding.delete(shard);
        else {
          // Where topics come one after the other, some are given their leaders together.
          this.#options.scheduler.after(GATHER_MS, () => {
            this.#adding.delete(shard);
            if (this.#options.active()) this.add(shard);
          });
        }
      })
      .catch(() => undefined);
  }

  /**
   * Takes out records that no slice has in this shard as far as known: those whose topic is gone, by a quorum read (C9), and
   * those that another shard has, which the slice names now. Never rejects.
   */
  tidy(): void {
    if (this.#tidying || !this.#leftovers().next().value) return;
    this.#tidying = true;
    this.#removeLeftovers()
      .catch((error: unknown) => {
        this.#options.logger.debug("records of deleted topics stay", { error: String(error) });
      })
      .finally(() => {
        this.#tidying = false;
      })
      .catch(() => undefined);
  }

  /** As a rule what the watch told is the newest, and if it is not, the write is refused: then a read comes first. */
  async #read(name: string, write: (shard: ShardImage) => Promise<void>): Promise<void> {
    const { kube, namespace, image, active } = this.#options;
    const known = image.shards.get(name);
    if (known === undefined || !active()) return;
    try {
      await write(known);
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof InvalidError)) throw error;
      image.absorbShard(await kube.get(leadershipShards, namespace, name));
      const fresh = image.shards.get(name);
      if (fresh !== undefined && active()) await write(fresh);
    }
  }

  async #append(shard: ShardImage): Promise<void> {
    const { image, initial, logger } = this.#options;
    const records: (readonly [key: string, text: string])[] = [];
    for (const record of image.records.partitionsOf(shard.name)) {
      if (shard.partitions[record.key] !== undefined) continue;
      // A shard that was deleted by somebody has back what is known of it.
      const state = record.state ?? initial(record);
      if (state !== undefined) records.push([record.key, stateText(state)]);
    }
    if (records.length === 0) return;
    await this.#patch(
      shard,
      shard.hasStatus
        ? records.map(([key, value]) => ({ op: "add", path: recordPath(key), value }))
        : [{ op: "add", path: "/status", value: { partitions: Object.fromEntries(records) } }],
    );
    logger.info("partitions have leaders", { shard: shard.name, partitions: records.length });
  }

  async #patch(shard: ShardImage, operations: readonly JsonPatchOperation[]): Promise<void> {
    const { kube, namespace, image } = this.#options;
    const written = await kube.jsonPatch(
      leadershipShards,
      namespace,
      shard.name,
      [
        { op: "test", path: "/metadata/resourceVersion", value: shard.resourceVersion },
        ...operations,
      ],
      { subresource: "status" },
    );
    image.absorbShard(written);
  }

  *#leftovers(): Generator<readonly [shard: string, keys: readonly string[]]> {
    const { shards, records } = this.#options.image;
    for (const shard of shards.values()) {
      const placed = new Set(records.partitionsOf(shard.name).map(({ key }) => key));
      const keys = Object.keys(shard.partitions).filter((key) => !placed.has(key));
      if (keys.length > 0) yield [shard.name, keys];
    }
  }

  #isElsewhere(key: string, shard: string): boolean {
    const { records } = this.#options.image;
    const record = records.get(topicIdOf(key), partitionOf(key));
    return record !== undefined && record.shard !== shard && records.isInShard(record);
  }

  async #removeLeftovers(): Promise<void> {
    const { kube, namespace, logger, active } = this.#options;
    const found = [...this.#leftovers()];
    const { items } = await kube.list(topics, namespace);
    const there = new Set(items.map(({ metadata }) => metadata.uid));
    for (const [name, keys] of found) {
      // A topic's uid is never given again.
      const dead = keys.filter((key) => this.#isElsewhere(key, name) || !there.has(topicIdOf(key)));
      if (dead.length === 0 || !active()) continue;
      await this.#read(name, async (shard) => {
        const present = dead.filter((key) => shard.partitions[key] !== undefined);
        if (present.length === 0) return;
        await this.#patch(
          shard,
          present.map((key) => ({ op: "remove", path: recordPath(key) })),
        );
        logger.info("records of deleted topics taken out", {
          shard: name,
          partitions: present.length,
        });
      });
    }
  }
}
