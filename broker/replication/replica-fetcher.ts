import type { BrokerEndpoint, BrokerId } from "../../cluster/broker.ts";
import { assert } from "../../lib/assert.ts";
import { type Scheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Gate } from "../../lib/gate.ts";
import type { Millis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import type { Network } from "../network/frame-channel.ts";
import type { RpcClient } from "../network/rpc-client.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { fetchRequest, fetchResponse, type FetchResponse } from "../protocol/messages/fetch.ts";
import { FetchSessionClient, type PartitionFetch } from "./fetch-session-client.ts";
import { truncationOffset } from "./follower-replica.ts";
import { type Followed, fetchOf } from "./followed.ts";
import { LeaderConnection } from "./leader-connection.ts";
import type { Partition } from "./partition.ts";

/** Topic ids and replica state (KIP-516, KIP-903); nothing later matters between brokers. */
const FETCH_VERSION = 17;
const RECONNECT_MS = 50;
const BACK_OFF_MS = 50;
/** After records that are not what they should be. */
const REFUSED_MS = 1000;
/** All partitions are looked at again after this long, whatever was heard of their logs. */
const ALL_AFTER_MS = 500;

type PartitionAnswer = FetchResponse["responses"][number]["partitions"][number];

export interface FetcherContext {
  readonly self: BrokerId;
  readonly ownEpoch: () => number;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly endpoint: (id: BrokerId) => BrokerEndpoint | undefined;
  /** Resolves when all that was appended so far is on stable storage. */
  readonly flush: () => Promise<void>;
  /** Open while the volume keeps up with what is appended. */
  readonly intake: Gate;
  readonly fetchWaitMaxMs: Millis;
  readonly fetchMaxBytes: number;
  readonly partitionMaxBytes: number;
  readonly requestTimeoutMs: Millis;
  readonly panic: (error: unknown) => never;
  readonly uncleanAllowed: (partition: Partition) => boolean;
}

/**
 * Fetches from one leader broker all partitions that this broker follows there: one waiting fetch at a time, and the
 * next is sent only when what came is on stable storage, since a fetch at X acknowledges all before X (R2).
 */
export class ReplicaFetcher {
  readonly source: BrokerId;
  readonly #context: FetcherContext;
  readonly #followed = new Map<string, Followed>();
  readonly #session = new FetchSessionClient();
  /** Partitions that may have something else to ask than before, or may not be asked for yet. */
  readonly #changed = new Set<string>();
  #allAt: Millis = -Infinity;
  readonly #connection: LeaderConnection;
  #running = false;
  #stopped = false;
  #inFlight = false;

  constructor(source: BrokerId, context: FetcherContext) {
    this.source = source;
    this.#context = context;
    const { network, scheduler, requestTimeoutMs, self, endpoint } = context;
    this.#connection = new LeaderConnection({
      network,
      scheduler,
      requestTimeoutMs,
      clientId: `replica-${String(self)}`,
      endpoint: () => endpoint(source),
    });
  }

  get size(): number {
    return this.#followed.size;
  }

  follow(partition: Partition, leaderEpoch: number): void {
    const key = keyOf(partition.topicId, partition.partition);
    if (this.#followed.get(key)?.leaderEpoch === leaderEpoch) return;
    this.#followed.set(key, { partition, leaderEpoch, notBefore: 0, busy: false });
    this.#changed.add(key);
    if (!this.#running) {
      this.#running = true;
      this.#context.scheduler.soon(() => {
        this.#run().catch((error: unknown) => this.#context.panic(error));
      });
    } else this.#hurry();
  }

  unfollow(topicId: string, partition: number): void {
    const key = keyOf(topicId, partition);
    if (this.#followed.delete(key)) this.#changed.add(key);
  }

  stop(): void {
    this.#stopped = true;
    this.#followed.clear();
    this.#connection.close();
  }

  #hurry(): void {
    if (this.#inFlight) this.#connection.hurry(() => this.#inFlight);
  }

  async #run(): Promise<void> {
    const { scheduler } = this.#context;
    while (!this.#stopped && this.#followed.size > 0) {
      const client = await this.#connected();
      if (this.#isStopped()) break;
      if (client === undefined) {
        await sleep(scheduler, RECONNECT_MS);
        continue;
      }
      this.#ask();
      if (this.#session.size === 0) {
        await sleep(scheduler, BACK_OFF_MS / 2);
        continue;
      }
      const appended = await this.#fetch(client);
      if (appended) await this.#context.flush();
    }
    this.#running = false;
    this.#connection.close();
    this.#session.reset();
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  #connected(): Promise<RpcClient | undefined> {
    if (!this.#connection.isOpen) this.#session.reset();
    return this.#connection.open();
  }

  /** Has the session ask for what has changed. */
  #ask(): void {
    const now = this.#context.scheduler.now();
    if (now - this.#allAt >= ALL_AFTER_MS) {
      this.#allAt = now;
      for (const key of this.#followed.keys()) this.#changed.add(key);
    }
    for (const key of this.#changed) {
      const followed = this.#followed.get(key);
      const one = followed === undefined ? undefined : fetchOf(followed, now);
      this.#session.ask(key, one);
      if (followed === undefined || one !== undefined) this.#changed.delete(key);
    }
  }

  /** One request and its answer. @returns whether anything was appended. */
  #fetch(client: RpcClient): Promise<boolean> {
    const session = this.#session.next();
    const { self, ownEpoch, fetchWaitMaxMs, fetchMaxBytes, requestTimeoutMs } = this.#context;
    this.#inFlight = true;
    return new Promise((resolve) => {
      client.send(
        fetchRequest,
        fetchResponse,
        FETCH_VERSION,
        {
          replicaState: { replicaId: self, replicaEpoch: ownEpoch() },
          maxWaitMs: fetchWaitMaxMs,
          minBytes: 1,
          maxBytes: fetchMaxBytes,
          isolationLevel: 0,
          sessionId: session.sessionId,
          sessionEpoch: session.sessionEpoch,
          topics: groupByTopic(session.fetch, (one) => ({
            partition: one.partition,
            currentLeaderEpoch: one.currentLeaderEpoch,
            fetchOffset: one.fetchOffset,
            lastFetchedEpoch: one.lastFetchedEpoch,
            logStartOffset: one.logStartOffset,
            partitionMaxBytes: this.#context.partitionMaxBytes,
          })),
          forgottenTopicsData: groupByTopic(session.forget, (one) => one.partition),
          rackId: "",
        },
        requestTimeoutMs,
        (answer) => {
          this.#inFlight = false;
          resolve(this.#answered(answer));
        },
        () => {
          this.#inFlight = false;
          this.#session.reset();
          resolve(false);
        },
      );
    });
  }

  #answered(answer: FetchResponse): boolean {
    if (answer.errorCode !== ErrorCode.NONE) {
      this.#session.reset();
      return false;
    }
    this.#session.answered(answer.sessionId);
    this.#connection.answered(answer);
    let appended = false;
    for (const topic of answer.responses) {
      for (const one of topic.partitions) {
        const key = keyOf(topic.topicId, one.partitionIndex);
        const followed = this.#followed.get(key);
        const asked = this.#session.asked(key);
        this.#changed.add(key);
        if (followed === undefined || asked === undefined || followed.partition.closed) continue;
        if (asked.currentLeaderEpoch !== followed.leaderEpoch) continue;
        if (followed.partition.log.logEndOffset !== asked.fetchOffset) continue;
        try {
          const outcome = this.#partitionAnswered(followed, asked, one);
          if (outcome === "appended") appended = true;
          // Asked for again when it may be, as if for the first time.
          else if (outcome === "not-now") this.#session.ask(key, undefined);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          this.#session.ask(key, undefined);
          this.#refused(followed, error);
        }
      }
    }
    return appended;
  }

  #refused(followed: Followed, error: ProtocolError): void {
    const isFull = error.errorCode === ErrorCode.KAFKA_STORAGE_ERROR;
    const { scheduler, logger, intake } = this.#context;
    followed.notBefore = scheduler.now() + (isFull ? BACK_OFF_MS : REFUSED_MS);
    if (isFull && !intake.open) {
      // A volume that has fallen behind has room again as soon as it has caught up: a replica that copies much would lose
      // most of its time, and have its leader send in vain what it cannot take.
      followed.notBefore = Infinity;
      intake.wait(() => {
        followed.notBefore = 0;
        this.#hurry();
      });
    }
    logger[isFull ? "debug" : "warn"]("fetched records refused", {
      topic: followed.partition.topic,
      partition: followed.partition.partition,
      source: this.source,
      error: error.message,
    });
  }

  #partitionAnswered(
    followed: Followed,
    asked: PartitionFetch,
    answer: PartitionAnswer,
  ): "appended" | "nothing" | "not-now" {
    const { partition } = followed;
    switch (answer.errorCode) {
      case ErrorCode.NONE:
        break;
      case ErrorCode.OFFSET_OUT_OF_RANGE:
        if (answer.logStartOffset > asked.fetchOffset)
          this.#startAt(followed, answer.logStartOffset);
        else followed.notBefore = this.#context.scheduler.now() + BACK_OFF_MS;
        return "not-now";
      default:
        // The leadership that this fetch was made for is not (yet, or no longer) known there.
        followed.notBefore = this.#context.scheduler.now() + BACK_OFF_MS;
        return "not-now";
    }
    if (answer.divergingEpoch.endOffset >= 0) {
      this.#truncate(followed, {
        leaderEpoch: answer.divergingEpoch.epoch,
        endOffset: answer.divergingEpoch.endOffset,
      });
      return "not-now";
    }
    const records = answer.records;
    const hasRecords = records !== null && records.length > 0;
    if (hasRecords) partition.log.appendAsFollower(records);
    partition.followHighWatermark(answer.highWatermark);
    if (answer.logStartOffset > partition.log.logStartOffset) {
      partition.log.raiseLogStart(Math.min(answer.logStartOffset, partition.log.logEndOffset));
    }
    return hasRecords ? "appended" : "nothing";
  }

  #truncate(followed: Followed, leaderSays: { leaderEpoch: number; endOffset: number }): void {
    const { log, topic, partition } = followed.partition;
    const offset = truncationOffset(
      leaderSays,
      (epoch) => log.endOfEpoch(epoch),
      log.logStartOffset,
      log.logEndOffset,
    );
    // The leader of a compacted log may not know an epoch whose records were all superseded before it copied them: what
    // this log has of it is superseded too, and comes again by its newer records.
    assert(
      offset >= Math.min(log.highWatermark, log.logEndOffset) ||
        log.config.compact ||
        this.#context.uncleanAllowed(followed.partition),
      "R5: what was committed is never truncated",
    );
    this.#context.logger.info("log truncated to its leader's history", {
      topic,
      partition,
      from: log.logEndOffset,
      to: offset,
      leader: this.source,
      leaderEpoch: followed.leaderEpoch,
    });
    this.#busy(followed, log.truncateTo(offset));
  }

  #startAt(followed: Followed, offset: number): void {
    const { log, topic, partition } = followed.partition;
    this.#context.logger.info("log begun anew at its leader's log start", {
      topic,
      partition,
      offset,
    });
    this.#busy(followed, log.truncateFullyAndStartAt(offset));
  }

  #busy(followed: Followed, work: Promise<void>): void {
    followed.busy = true;
    work.then(
      () => {
        followed.busy = false;
      },
      (error: unknown) => this.#context.panic(error),
    );
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${String(partition)}`;
}

function groupByTopic<T extends { readonly topicId: string }, P>(
  items: readonly T[],
  partition: (item: T) => P,
): { topicId: string; partitions: P[] }[] {
  const topics = new Map<string, P[]>();
  for (const item of items) {
    const partitions = topics.get(item.topicId) ?? [];
    partitions.push(partition(item));
    topics.set(item.topicId, partitions);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}
