import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { KIB, type Bytes, type Millis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { HostedPartition, LeadershipListener } from "../replication/types.ts";
import type { CoordinatorShard, RecordFormat } from "./coordinator-shard.ts";
import type { Moment, Outcome, Pending, Reply } from "./outcome.ts";

const LOAD_CHUNK: Bytes = 512 * KIB;
const LOAD_RETRY_MS: Millis = 500;

export interface RuntimeOptions<S extends CoordinatorShard<R>, R> {
  /** The internal topic. */
  readonly topic: string;
  readonly create: (partition: number) => S;
  readonly format: RecordFormat<R>;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** How long an answer waits for its records to be committed. */
  readonly commitTimeoutMs: Millis;
}

/** A request that has not been answered; refused when its shard goes. */
interface Waiting {
  refuse(errorCode: number): void;
}

interface Shard<S> {
  readonly partition: HostedPartition;
  readonly leaderEpoch: number;
  readonly state: S;
  readonly waiting: Set<Waiting>;
  active: boolean;
  /** Last offset of the log as far as the state has moved; -1 for an empty log. */
  lastOffset: number;
  /** The wait for `offset` to be committed that answers share. */
  commit: { readonly offset: number; readonly done: Promise<void> } | undefined;
  timer: Timer | undefined;
  timerAt: Millis;
}

/**
 * The coordinator shards that this broker leads: one for each partition of an internal topic.
 *
 * An event runs to its end at once. Its records are appended, then replayed, so the state is what the log holds up to its
 * end, committed or not, and many events may be in flight. What leaves is held back: every answer, of reads too, waits
 * until all that was appended before it is committed (G1). A refused append has moved nothing. When a commit fails the
 * answers are refused, and the state still is what the log says: the records commit later, or leadership goes and the
 * shard with it.
 */
export class CoordinatorRuntime<S extends CoordinatorShard<R>, R> implements LeadershipListener {
  readonly #options: RuntimeOptions<S, R>;
  readonly #shards = new Map<number, Shard<S>>();
  #closed = false;

  constructor(options: RuntimeOptions<S, R>) {
    this.#options = options;
  }

  /** Partitions with a shard here, loading ones too. */
  get partitions(): readonly number[] {
    return [...this.#shards.keys()].sort((a, b) => a - b);
  }

  isActive(partition: number): boolean {
    return this.#shards.get(partition)?.active ?? false;
  }

  onBecameLeader(partition: HostedPartition): void {
    if (partition.topic !== this.#options.topic || this.#closed) return;
    const former = this.#shards.get(partition.partition);
    if (former !== undefined) {
      if (former.partition === partition && former.leaderEpoch === partition.leaderEpoch) return;
      this.#unload(former);
    }
    this.#startLoading(partition);
  }

  onLostLeadership(topic: string, partition: number, leaderEpoch: number): void {
    if (topic !== this.#options.topic) return;
    const shard = this.#shards.get(partition);
    // News of an older epoch may come after a newer leadership began.
    if (shard === undefined || leaderEpoch < shard.leaderEpoch) return;
    this.#unload(shard);
  }

  /** Refuses everything that waits; nothing is served after it. */
  close(): void {
    this.#closed = true;
    for (const shard of [...this.#shards.values()]) this.#unload(shard);
  }

  /**
   * Runs an event on a partition's shard. The promise is settled once the answer may leave. Rejects with ProtocolError:
   * NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE when the records were not committed in time.
   */
  submit<T>(
    partition: number,
    event: (state: S, at: Moment, from: Pending<T>) => Outcome<R>,
  ): Promise<T> {
    const shard = this.#shards.get(partition);
    if (shard === undefined) return Promise.reject(new ProtocolError(ErrorCode.NOT_COORDINATOR));
    if (!shard.active)
      return Promise.reject(new ProtocolError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS));
    return new Promise<T>((resolve, reject) => {
      const from: Pending<T> = {
        answer: (response) => {
          if (shard.waiting.delete(from)) resolve(response);
        },
        refuse: (errorCode) => {
          if (shard.waiting.delete(from)) reject(new ProtocolError(errorCode));
        },
      };
      shard.waiting.add(from);
      this.#run(shard, (at) => [event(shard.state, at, from)]);
    });
  }

  /** An event nobody waits for, on every active shard, again until it has nothing more to record. */
  broadcast(event: (state: S, at: Moment) => Outcome<R>): void {
    for (const shard of [...this.#shards.values()]) {
      if (!shard.active) continue;
      let end: number;
      do {
        end = shard.lastOffset;
        this.#run(shard, (at) => [event(shard.state, at)]);
      } while (this.#isCurrent(shard) && shard.lastOffset > end);
    }
  }

  #run(shard: Shard<S>, step: (at: Moment) => readonly Outcome<R>[]): void {
    const { scheduler } = this.#options;
    const at: Moment = { now: scheduler.now(), wall: scheduler.wallNow() };
    try {
      for (const outcome of step(at)) this.#apply(shard, outcome, at);
      this.#arm(shard);
    } catch (error) {
      // A fault of ours in the middle of an event: what the shard holds in memory is no longer to be trusted.
      this.#options.logger.error("coordinator shard failed, loading it again", {
        topic: this.#options.topic,
        partition: shard.partition.partition,
        error,
      });
      this.#unload(shard, ErrorCode.COORDINATOR_NOT_AVAILABLE);
      if (!this.#closed) this.#startLoading(shard.partition);
    }
  }

  #apply(shard: Shard<S>, outcome: Outcome<R>, at: Moment): void {
    if (outcome.records.length > 0) {
      const bytes = this.#options.format.encode(outcome.records, at);
      let lastOffset: number;
      try {
        lastOffset = shard.partition.append(bytes, -1, "coordinator").lastOffset;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const errorCode = coordinatorError(error.errorCode);
        this.#options.logger.debug("coordinator append refused", { errorCode: error.errorCode });
        if (outcome.refused !== undefined) this.#apply(shard, outcome.refused(errorCode, at), at);
        else for (const each of outcome.replies) each.refuse(errorCode);
        return;
      }
      shard.lastOffset = lastOffset;
      for (const record of outcome.records) shard.state.replay(record, at);
      outcome.replayed?.(at);
    }
    if (outcome.replies.length > 0) this.#release(shard, outcome.replies);
  }

  /** Sends the replies when everything that the state has seen is committed. */
  #release(shard: Shard<S>, replies: readonly Reply[]): void {
    const { partition } = shard;
    const refuseAll = (errorCode: number): void => {
      for (const each of replies) each.refuse(errorCode);
    };
    if (!partition.isLeader || partition.leaderEpoch !== shard.leaderEpoch) {
      refuseAll(ErrorCode.NOT_COORDINATOR);
      return;
    }
    if (partition.highWatermark > shard.lastOffset) {
      for (const each of replies) each.send();
      return;
    }
    const offset = shard.lastOffset;
    if (shard.commit?.offset !== offset) {
      const done = partition.committed(offset, this.#options.commitTimeoutMs);
      const commit = { offset, done };
      shard.commit = commit;
      const forget = (): void => {
        if (shard.commit === commit) shard.commit = undefined;
      };
      done.then(forget, forget);
    }
    const done = shard.commit?.done ?? Promise.resolve();
    void done.then(
      () => {
        for (const each of replies) each.send();
      },
      (error: unknown) => {
        refuseAll(
          error instanceof ProtocolError
            ? coordinatorError(error.errorCode)
            : ErrorCode.COORDINATOR_NOT_AVAILABLE,
        );
      },
    );
  }

  #arm(shard: Shard<S>): void {
    const { scheduler } = this.#options;
    if (!shard.active || !this.#isCurrent(shard) || shard.state.wakeAt >= shard.timerAt) return;
    shard.timer?.cancel();
    shard.timerAt = shard.state.wakeAt;
    shard.timer = scheduler.after(Math.max(0, shard.timerAt - scheduler.now()), () => {
      shard.timer = undefined;
      shard.timerAt = Infinity;
      if (this.#isCurrent(shard)) this.#run(shard, (at) => shard.state.tick(at));
    });
  }

  #isCurrent(shard: Shard<S>): boolean {
    return this.#shards.get(shard.partition.partition) === shard;
  }

  #unload(shard: Shard<S>, errorCode: number = ErrorCode.NOT_COORDINATOR): void {
    shard.active = false;
    shard.timer?.cancel();
    shard.timer = undefined;
    if (this.#isCurrent(shard)) this.#shards.delete(shard.partition.partition);
    for (const waiting of [...shard.waiting]) waiting.refuse(errorCode);
  }

  #startLoading(partition: HostedPartition): void {
    const shard: Shard<S> = {
      partition,
      leaderEpoch: partition.leaderEpoch,
      state: this.#options.create(partition.partition),
      waiting: new Set(),
      active: false,
      lastOffset: -1,
      commit: undefined,
      timer: undefined,
      timerAt: Infinity,
    };
    this.#shards.set(partition.partition, shard);
    void this.#load(shard).catch((error: unknown) => {
      if (!this.#isCurrent(shard)) return;
      const fields = { topic: partition.topic, partition: partition.partition, error };
      this.#options.logger.warn("coordinator shard could not be loaded, trying again", fields);
      shard.timer = this.#options.scheduler.after(LOAD_RETRY_MS, () => {
        if (this.#isCurrent(shard)) this.#startLoading(partition);
      });
    });
  }

  async #load(shard: Shard<S>): Promise<void> {
    const { scheduler, format, logger } = this.#options;
    const { log } = shard.partition;
    // Nobody but this leader appends, and not before the load is done: this end is final.
    const end = log.logEndOffset;
    let offset = log.logStartOffset;
    while (offset < end) {
      const read = await log.read(offset, LOAD_CHUNK, end, true);
      try {
        if (!this.#isCurrent(shard)) return;
        const at: Moment = { now: scheduler.now(), wall: scheduler.wallNow() };
        const before = offset;
        for (const part of read.parts) {
          for (const batch of format.decode(part)) {
            offset = Math.max(offset, batch.nextOffset);
            for (const record of batch.records) shard.state.replay(record, at);
          }
        }
        if (offset === before) break; // Nothing left before the end: compaction removed it.
      } finally {
        read.release();
      }
      // Other work of the broker gets its turn between the chunks.
      await new Promise<void>((resolve) => {
        scheduler.soon(resolve);
      });
    }
    if (!this.#isCurrent(shard)) return;
    shard.lastOffset = end - 1;
    shard.active = true;
    shard.state.loaded({ now: scheduler.now(), wall: scheduler.wallNow() });
    this.#arm(shard);
    logger.info("coordinator shard loaded", {
      topic: shard.partition.topic,
      partition: shard.partition.partition,
      leaderEpoch: shard.leaderEpoch,
      records: end - log.logStartOffset,
    });
  }
}

/** What a client of a coordinator is told when the coordinator's own partition refuses (as Kafka maps them). */
export function coordinatorError(errorCode: number): number {
  switch (errorCode) {
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.FENCED_LEADER_EPOCH:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR;
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
      return ErrorCode.UNKNOWN_SERVER_ERROR;
    default:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  }
}
