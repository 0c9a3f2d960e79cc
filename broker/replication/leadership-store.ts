import type { PartitionChange } from "../../cluster/partition-change.ts";
import type { PartitionState } from "../../cluster/partition-slice.ts";
import { leadershipShards } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { ConflictError, InvalidError, NotFoundError } from "../../kube/errors.ts";
import { assert } from "../../lib/assert.ts";
import { type Scheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { Slots } from "../../lib/slots.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { RecordedPartition } from "../metadata/partition-records.ts";
import { type RecordChange, recordPatch, wholePatch } from "./shard-patch.ts";

/** How a change of one partition's record ended. */
export type ChangeOutcome =
  /** Recorded by this write. */
  | { readonly kind: "recorded"; readonly state: PartitionState }
  /** The state as read leaves nothing to change. */
  | { readonly kind: "unchanged" }
  /** The partition is gone. */
  | { readonly kind: "gone" };

interface WaitingChange {
  readonly record: RecordedPartition;
  readonly change: PartitionChange;
  readonly resolve: (outcome: ChangeOutcome) => void;
}

interface ShardQueue {
  waiting: WaitingChange[];
  running: boolean;
  /** A partition of it has no leader that serves. */
  urgent: boolean;
}

/** Changes carried by one patch at most. */
const CHANGES_PER_PATCH = 100;
/**
 * Requests under way at the same time. More do not make the API faster, they only make each wait: thousands at once ran
 * into their deadlines, and each that did was followed by a read and another write.
 */
const WIDTH = 24;
const RETRY_BASE_MS = 20;
const RETRY_MAX_MS = 1000;

/**
 * Compare-and-swap of LeadershipShard status (docs/invariants.md C1): one JSON Patch per shard and turn, a `test` on each
 * partition's state, and so on its epoch; elections of many partitions test the shard's version in place of that. A refused
 * or unanswered patch is followed by a quorum read and a new decision from what was read; nothing is ever decided on one
 * state and written on another.
 */
export class LeadershipStore {
  readonly #kube: KubeApi;
  readonly #namespace: string;
  readonly #image: MetadataImage;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #queues = new Map<string, ShardQueue>();
  readonly #slots = new Slots(WIDTH);
  #stopped = false;
  /** Patches sent, for metrics and tests. */
  patches = 0;

  constructor(options: {
    readonly kube: KubeApi;
    readonly namespace: string;
    readonly image: MetadataImage;
    readonly scheduler: Scheduler;
    readonly random: Random;
    readonly logger: Logger;
  }) {
    this.#kube = options.kube;
    this.#namespace = options.namespace;
    this.#image = options.image;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#logger = options.logger;
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * Has `change` applied to the partition's record as it stands, again after each lost race, until it is recorded or
   * wants nothing. Never rejects; never resolves once stopped. Changes of one shard travel together.
   * @param urgent goes before what is not, when there is more than can be written at once
   */
  update(
    record: RecordedPartition,
    change: PartitionChange,
    urgent = false,
  ): Promise<ChangeOutcome> {
    return new Promise((resolve) => {
      const queue = this.#queues.get(record.shard) ?? {
        waiting: [],
        running: false,
        urgent: false,
      };
      queue.urgent ||= urgent;
      this.#queues.set(record.shard, queue);
      queue.waiting.push({ record, change, resolve });
      if (queue.running) return;
      queue.running = true;
      this.#scheduler.soon(() => void this.#run(record.shard, queue));
    });
  }

  /** Other requests of this broker that may be many go by the same bound. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#slots.run(work);
  }

  async #run(shard: string, queue: ShardQueue): Promise<void> {
    while (queue.waiting.length > 0 && !this.#stopped) {
      const batch = new Map<string, WaitingChange>();
      const later: WaitingChange[] = [];
      for (const waiting of queue.waiting) {
        // Two changes of one partition are two compare-and-swaps, one after the other.
        const { key } = waiting.record;
        if (batch.has(key) || batch.size >= CHANGES_PER_PATCH) later.push(waiting);
        else batch.set(key, waiting);
      }
      queue.waiting = later;
      await this.#settle(shard, [...batch.values()], queue.urgent);
    }
    queue.running = false;
    queue.urgent = false;
    if (queue.waiting.length === 0) this.#queues.delete(shard);
  }

  async #settle(shard: string, batch: readonly WaitingChange[], urgent: boolean): Promise<void> {
    let open = batch;
    for (let attempt = 0; open.length > 0 && !this.#stopped; attempt++) {
      if (attempt > 0) {
        const ceiling = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 6));
        await sleep(this.#scheduler, ceiling * (0.5 + this.#random.next() / 2));
        if (!(await this.#slots.run(() => this.#refresh(shard), urgent))) continue;
      }
      const trying = open;
      // Decided when it is its turn, from what is known then.
      const whole = urgent && attempt === 0;
      open = await this.#slots.run(() => this.#attempt(shard, trying, whole), urgent);
    }
  }

  /**
   * Decides from the image and writes.
   * @param whole whether the shard may be written as a whole
   * @returns the changes to be decided again after a fresh read
   */
  async #attempt(
    shard: string,
    open: readonly WaitingChange[],
    whole: boolean,
  ): Promise<readonly WaitingChange[]> {
    const changes: RecordChange[] = [];
    const writing: { readonly waiting: WaitingChange; readonly next: PartitionState }[] = [];
    for (const waiting of open) {
      const record = this.#asItIs(waiting.record);
      if (record?.state === undefined) {
        waiting.resolve({ kind: "gone" });
        continue;
      }
      const next = waiting.change(record.state, record.placement);
      if (next === undefined) {
        waiting.resolve({ kind: "unchanged" });
        continue;
      }
      assert(next.partitionEpoch === record.state.partitionEpoch + 1, "C1: one step at a time");
      assert(next.leaderEpoch >= record.state.leaderEpoch, "C2: leader epochs never fall");
      changes.push({ key: record.key, from: record.state, to: next });
      writing.push({ waiting, next });
    }
    if (changes.length === 0) return [];
    const operations = whole ? wholePatch(this.#image.shards.get(shard), changes) : undefined;
    try {
      this.patches++;
      const written = await this.#kube.jsonPatch(
        leadershipShards,
        this.#namespace,
        shard,
        operations ?? recordPatch(changes),
        { subresource: "status" },
      );
      this.#image.absorbShard(written);
      for (const { waiting, next } of writing) waiting.resolve({ kind: "recorded", state: next });
      return [];
    } catch (error) {
      const lostRace =
        error instanceof InvalidError ||
        error instanceof ConflictError ||
        error instanceof NotFoundError;
      this.#logger[lostRace ? "debug" : "warn"]("partition change not recorded yet", {
        shard,
        changes: writing.length,
        error: String(error),
      });
      return writing.map(({ waiting }) => waiting);
    }
  }

  #asItIs({ topicId, partition, slice }: RecordedPartition): RecordedPartition | undefined {
    const { records } = this.#image;
    return slice === undefined
      ? records.recorded(topicId, partition)
      : records.get(topicId, partition);
  }

  /** Quorum read of the shard. @returns whether it could be read. */
  async #refresh(shard: string): Promise<boolean> {
    try {
      this.#image.absorbShard(await this.#kube.get(leadershipShards, this.#namespace, shard));
      return true;
    } catch (error) {
      if (!(error instanceof NotFoundError)) return false;
      // It is made again, and the records come back with it; or its topics are gone as well, which the slices tell.
      this.#image.removeShard(shard);
      return true;
    }
  }
}
