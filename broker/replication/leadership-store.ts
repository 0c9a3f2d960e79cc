import type { PartitionChange } from "../../cluster/partition-change.ts";
import type { PartitionSlice, PartitionState } from "../../cluster/partition-slice.ts";
import { partitionSlices } from "../../cluster/resources.ts";
import type { JsonPatchOperation, KubeApi } from "../../kube/api.ts";
import { ConflictError, InvalidError, NotFoundError } from "../../kube/errors.ts";
import { assert } from "../../lib/assert.ts";
import { type Scheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { Slots } from "../../lib/slots.ts";
import type { MetadataImage, RecordedPartition } from "../metadata/image.ts";

/** How a change of one partition's record ended. */
export type ChangeOutcome =
  /** Recorded by this write. */
  | { readonly kind: "recorded"; readonly state: PartitionState }
  /** The state as read leaves nothing to change. */
  | { readonly kind: "unchanged" }
  /** The partition is gone. */
  | { readonly kind: "gone" };

interface WaitingChange {
  readonly topicId: string;
  readonly index: number;
  readonly change: PartitionChange;
  readonly resolve: (outcome: ChangeOutcome) => void;
}

interface SliceQueue {
  waiting: WaitingChange[];
  running: boolean;
  /** A partition of it has no leader that serves. */
  urgent: boolean;
}

/** Changes carried by one patch at most: each costs two operations. */
const CHANGES_PER_PATCH = 100;
/**
 * Requests under way at the same time. More do not make the API faster, they only make each wait: thousands at once ran
 * into their deadlines, and each that did was followed by a read and another write.
 */
const WIDTH = 24;
const RETRY_BASE_MS = 20;
const RETRY_MAX_MS = 1000;

/**
 * Compare-and-swap of PartitionSlice status (DESIGN.md §3, docs/invariants.md C1): one JSON Patch per slice and turn, a
 * `test` on each partition's epoch. A refused or unanswered patch is followed by a quorum read and a new decision from
 * what was read; nothing is ever decided on one state and written on another.
 */
export class LeadershipStore {
  readonly #kube: KubeApi;
  readonly #namespace: string;
  readonly #image: MetadataImage;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #queues = new Map<string, SliceQueue>();
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
   * wants nothing. Never rejects; never resolves once stopped. Changes of one slice travel together.
   * @param urgent goes before what is not, when there is more than can be written at once
   */
  update(
    record: RecordedPartition,
    change: PartitionChange,
    urgent = false,
  ): Promise<ChangeOutcome> {
    return new Promise((resolve) => {
      const queue = this.#queues.get(record.slice) ?? {
        waiting: [],
        running: false,
        urgent: false,
      };
      queue.urgent ||= urgent;
      this.#queues.set(record.slice, queue);
      queue.waiting.push({ topicId: record.topicId, index: record.index, change, resolve });
      if (queue.running) return;
      queue.running = true;
      this.#scheduler.soon(() => void this.#run(record.slice, queue));
    });
  }

  /** Other requests of this broker that may be many go by the same bound. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#slots.run(work);
  }

  async #run(slice: string, queue: SliceQueue): Promise<void> {
    while (queue.waiting.length > 0 && !this.#stopped) {
      const batch: WaitingChange[] = [];
      const later: WaitingChange[] = [];
      for (const waiting of queue.waiting) {
        // Two changes of one partition are two compare-and-swaps, one after the other.
        const taken = batch.some((other) => other.index === waiting.index);
        (taken || batch.length >= CHANGES_PER_PATCH ? later : batch).push(waiting);
      }
      queue.waiting = later;
      await this.#settle(slice, batch, queue.urgent);
    }
    queue.running = false;
    queue.urgent = false;
    if (queue.waiting.length === 0) this.#queues.delete(slice);
  }

  async #settle(slice: string, batch: readonly WaitingChange[], urgent: boolean): Promise<void> {
    let open = batch;
    for (let attempt = 0; open.length > 0 && !this.#stopped; attempt++) {
      if (attempt > 0) {
        const ceiling = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 6));
        await sleep(this.#scheduler, ceiling * (0.5 + this.#random.next() / 2));
        if (!(await this.#slots.run(() => this.#refresh(slice), urgent))) continue;
      }
      const trying = open;
      // Decided when it is its turn, from what is known then.
      open = await this.#slots.run(() => this.#attempt(slice, trying), urgent);
    }
  }

  /** Decides from the image and writes. @returns the changes to be decided again after a fresh read. */
  async #attempt(slice: string, open: readonly WaitingChange[]): Promise<readonly WaitingChange[]> {
    const operations: JsonPatchOperation[] = [];
    const writing: { readonly waiting: WaitingChange; readonly next: PartitionState }[] = [];
    for (const waiting of open) {
      const record = this.#recordOf(slice, waiting);
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
      const path = `/status/partitions/${String(waiting.index)}`;
      operations.push(
        { op: "test", path: `${path}/partitionEpoch`, value: record.state.partitionEpoch },
        { op: "replace", path, value: next },
      );
      writing.push({ waiting, next });
    }
    if (operations.length === 0) return [];
    // The slice may have been made anew under its name: its topic's id is part of what was decided on.
    const topicId = writing[0]?.waiting.topicId;
    operations.unshift({ op: "test", path: "/spec/topicId", value: topicId });
    try {
      this.patches++;
      const written = await this.#kube.jsonPatch(
        partitionSlices,
        this.#namespace,
        slice,
        operations,
        { subresource: "status" },
      );
      this.#absorb(written);
      for (const { waiting, next } of writing) waiting.resolve({ kind: "recorded", state: next });
      return [];
    } catch (error) {
      if (error instanceof NotFoundError) {
        for (const { waiting } of writing) waiting.resolve({ kind: "gone" });
        return [];
      }
      const lostRace = error instanceof InvalidError || error instanceof ConflictError;
      this.#logger[lostRace ? "debug" : "warn"]("partition change not recorded yet", {
        slice,
        changes: writing.length,
        error: String(error),
      });
      return writing.map(({ waiting }) => waiting);
    }
  }

  #recordOf(slice: string, waiting: WaitingChange): RecordedPartition | undefined {
    const image = this.#image.slices.get(slice);
    return image?.topicId === waiting.topicId ? image.partitions[waiting.index] : undefined;
  }

  /** Quorum read of the slice. @returns whether it could be read. */
  async #refresh(slice: string): Promise<boolean> {
    try {
      this.#absorb(await this.#kube.get(partitionSlices, this.#namespace, slice));
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) {
        const known = this.#image.slices.get(slice);
        if (known !== undefined) this.#image.removeSlice(slice, known.topicId);
        return true;
      }
      return false;
    }
  }

  #absorb(slice: PartitionSlice): void {
    this.#image.absorbSlice(slice);
  }
}
