import type { BrokerId } from "../../cluster/broker.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { FetchRequest } from "../protocol/messages/fetch.ts";
import { ProtocolError } from "../errors.ts";
import type { FetchPartition, FetchScope } from "../fetch-session.ts";
import { CHUNK_BYTES } from "../log/read-buffers.ts";
import type { EpochEnd, LogRead, PartitionLog } from "../log/types.ts";
import { divergence } from "../replication/follower-replica.ts";
import { preferredReadReplica } from "../replication/read-replica.ts";
import type { HostedPartition } from "../replication/types.ts";
import {
  checkLeaderEpoch,
  codeOf,
  endpointOf,
  partitionOf,
  quotaClientOf,
  quotasFor,
  topicOf,
} from "./common.ts";
import {
  fetchAnswer,
  type FetchAnswer,
  type Found,
  type ReadMark,
  releaseAll,
} from "./fetch-answer.ts";
import { NOTHING_READ, readCounted } from "./fetch-memory.ts";
import { HeldAnswer, type HoldingHandler, type RequestContext } from "./handler.ts";

const READ_COMMITTED = 1;
/** First version that may be sent to a nearer replica, and read from a follower (KIP-392). */
const NEAREST_REPLICA = 11;
/** First version that names topics by id (KIP-516). */
const TOPIC_IDS = 13;

/**
 * Long-polling fetch of consumers, from leaders and followers (KIP-392), and of followers on the internal listener (KIP-74,
 * KIP-227, KIP-320, KIP-951). A consumer that has had more than its quota gets an answer without records (KIP-219).
 */
export const handleFetch: HoldingHandler<FetchRequest, FetchAnswer> = async (
  context,
  request,
  version,
) => {
  const { services } = context;
  const replicaId = version >= 15 ? request.replicaState.replicaId : request.replicaId;
  if (replicaId >= 0 && context.listener !== "internal") {
    throw new ProtocolError(
      ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      "replicas fetch on the internal listener",
    );
  }
  const { scheduler } = services.environment;
  const quotas = replicaId < 0 ? quotasFor(context) : undefined;
  const debt = quotas?.fetchDebt(quotaClientOf(context), scheduler.now()) ?? 0;
  // Nothing is read for it, and a session is not begun with an answer that lacks its partitions.
  if (debt > 0 && request.sessionEpoch <= 0) return { throttleTimeMs: debt };
  const scope = services.fetchSessions.resolve(request, {
    privileged: replicaId >= 0,
    topicIds: version >= TOPIC_IDS,
    now: scheduler.now(),
  });
  if (debt > 0) return { throttleTimeMs: debt, sessionId: scope.sessionId };
  const fetch = new Fetch(context, request, replicaId, scope, version);
  const stopWatching = context.connection?.whenClosed(() => {
    fetch.abandoned = true;
  });
  try {
    const refused = fetch.begin();
    const deadline = scheduler.now() + request.maxWaitMs;
    let found = await fetch.look(refused);
    while (!fetch.enough(found) && scheduler.now() < deadline) {
      releaseAll(found);
      if (!fetch.abandoned) await fetch.wait(found, deadline - scheduler.now());
      // Nobody is there to be answered: what is sent goes nowhere.
      if (fetch.abandoned) return { errorCode: ErrorCode.NONE };
      found = await fetch.look(refused);
    }
    return held(found, () => {
      const answer = fetchAnswer(context, request, replicaId, scope, found, version);
      if (quotas === undefined) return answer;
      const bytes = found.reduce((sum, { read }) => sum + (read?.bytes ?? 0), 0);
      const now = scheduler.now();
      return { ...answer, throttleTimeMs: quotas.fetched(quotaClientOf(context), bytes, now) };
    });
  } finally {
    stopWatching?.();
    fetch.giveUpPromise();
  }
};

/** The answer with the memory of what was read, which is given back also when there is no answer. */
function held(found: readonly Found[], answer: () => FetchAnswer): HeldAnswer<FetchAnswer> {
  const release = (): void => {
    releaseAll(found);
  };
  try {
    return new HeldAnswer(answer(), release);
  } catch (error) {
    release();
    throw error;
  }
}

class Fetch {
  readonly #context: RequestContext;
  readonly #request: FetchRequest;
  readonly #replicaId: number;
  readonly #scope: FetchScope;
  /** Consumers may read from followers, and are told of nearer ones. */
  readonly #anyReplica: boolean;
  /** Followers are told at once how far is committed: consumers read there. */
  readonly #tellsHighWatermark: boolean;
  /** Something that is not in memory was not read for want of some. */
  #starved = false;
  /** It has waited for memory, and one read's is kept for it. */
  #promised = false;
  abandoned = false;

  constructor(
    context: RequestContext,
    request: FetchRequest,
    replicaId: number,
    scope: FetchScope,
    version: number,
  ) {
    const isReplica = replicaId >= 0;
    const { readsFromNearest } = context.services.config;
    // One without a rack is at a follower because its metadata is old, and better off at the leader. A broker that asks
    // not as a replica has found its own copy damaged.
    const repairs = !isReplica && context.listener === "internal";
    this.#anyReplica =
      repairs ||
      (readsFromNearest && !isReplica && version >= NEAREST_REPLICA && request.rackId !== "");
    this.#tellsHighWatermark = readsFromNearest && isReplica;
    this.#context = context;
    this.#request = request;
    this.#replicaId = replicaId;
    this.#scope = scope;
  }

  /**
   * A follower's fetch acknowledges what is before it: once, on arrival, for all partitions of its session (R2).
   * @returns what is refused, or diverges, by partition.
   */
  begin(): ReadonlyMap<FetchPartition, Found> {
    const refused = new Map<FetchPartition, Found>();
    if (this.#replicaId < 0) return refused;
    for (const asked of this.#scope.partitions) {
      try {
        const partition = this.#partition(asked);
        const diverging = partition.followerFetch({
          replicaId: this.#replicaId,
          replicaEpoch: this.#request.replicaState.replicaEpoch,
          currentLeaderEpoch: asked.currentLeaderEpoch,
          fetchOffset: asked.fetchOffset,
          lastFetchedEpoch: asked.lastFetchedEpoch,
          logStartOffset: asked.logStartOffset,
        });
        if (diverging !== undefined) refused.set(asked, { asked, partition, diverging });
      } catch (error) {
        codeOf(error);
        const hosted = this.#context.services.replicas.byTopicId(asked.topicId, asked.partition);
        refused.set(
          asked,
          hosted === undefined ? { asked, error } : { asked, partition: hosted, error },
        );
      }
    }
    return refused;
  }

  #partition(asked: FetchPartition): HostedPartition {
    return partitionOf(this.#context, asked.topic, asked.topicId, asked.partition);
  }

  /** Reads what is there now, within the limits; the first batch comes whatever its size (KIP-74). */
  async look(refused: ReadonlyMap<FetchPartition, Found>): Promise<readonly Found[]> {
    const found: Found[] = [];
    let left = Math.min(
      this.#request.maxBytes,
      this.#context.services.config.number("fetch.max.bytes"),
      this.#replicaId < 0
        ? (quotasFor(this.#context)?.fetchLimit(quotaClientOf(this.#context)) ?? Infinity)
        : Infinity,
    );
    let some = false;
    this.#starved = false;
    try {
      for (const asked of this.#scope.partitions) {
        const known = refused.get(asked);
        const reading = known ?? this.#read(asked, left, !some);
        const one = reading instanceof Promise ? await reading : reading;
        found.push(one);
        const bytes = one.read?.bytes ?? 0;
        if (bytes > 0) some = true;
        left -= bytes;
        if (this.abandoned) break;
      }
    } catch (error) {
      releaseAll(found);
      throw error;
    } finally {
      this.giveUpPromise();
    }
    return found;
  }

  #read(asked: FetchPartition, left: number, minOneBatch: boolean): Found | Promise<Found> {
    try {
      const partition = this.#partition(asked);
      if (this.#anyReplica) partition.requireReplica();
      else partition.requireLeader();
      const diverging = this.#replicaId >= 0 ? undefined : this.#checkConsumer(asked, partition);
      if (diverging !== undefined) return { asked, partition, diverging };
      const preferred = this.#nearer(asked, partition);
      if (preferred !== undefined) return { asked, partition, preferred };
      const seen = this.#mark(partition);
      const maxBytes = Math.max(0, Math.min(asked.maxBytes, left));
      const upTo = this.#replicaId >= 0 ? Infinity : seen.end;
      const reading = this.#readLog(partition.log, asked.fetchOffset, maxBytes, upTo, minOneBatch);
      if (!(reading instanceof Promise)) return { asked, partition, seen, read: reading };
      return reading.then(
        (read) => ({ asked, partition, seen, read }),
        (error: unknown) => refusal(asked, error),
      );
    } catch (error) {
      return refusal(asked, error);
    }
  }

  /** What is not in memory is read when there is memory for it: without, it is as if nothing were there yet. */
  #readLog(
    log: PartitionLog,
    offset: number,
    maxBytes: number,
    upTo: number,
    minOneBatch: boolean,
  ): LogRead | Promise<LogRead> {
    const { answers } = this.#context;
    if (answers === undefined || offset >= upTo || log.inMemory(offset)) {
      return log.read(offset, maxBytes, upTo, minOneBatch);
    }
    if (answers.short && !this.#promised) {
      answers.onShort?.();
      this.#starved = true;
      return NOTHING_READ;
    }
    // The first batch of an answer comes before the second one of another.
    if (!minOneBatch && answers.crowded) return NOTHING_READ;
    this.giveUpPromise();
    return readCounted(answers, () => log.read(offset, maxBytes, upTo, minOneBatch));
  }

  /** What was kept for a read that is not to be, or takes its own. */
  giveUpPromise(): void {
    if (!this.#promised) return;
    this.#promised = false;
    this.#context.answers?.giveBack(CHUNK_BYTES);
  }

  #checkConsumer(asked: FetchPartition, partition: HostedPartition): EpochEnd | undefined {
    checkLeaderEpoch(asked.currentLeaderEpoch, partition);
    if (asked.lastFetchedEpoch > partition.log.latestEpoch) {
      throw new ProtocolError(ErrorCode.UNKNOWN_LEADER_EPOCH);
    }
    return divergence(asked.lastFetchedEpoch, asked.fetchOffset, (epoch) =>
      partition.log.endOfEpoch(epoch),
    );
  }

  /** The replica in the consumer's rack, where it should read instead (KIP-392). */
  #nearer(asked: FetchPartition, partition: HostedPartition): BrokerId | undefined {
    const { services, listener } = this.#context;
    const { rackId } = this.#request;
    if (!this.#anyReplica || !partition.isLeader) return undefined;
    const { metadata } = services;
    return preferredReadReplica(
      rackId,
      asked.fetchOffset,
      metadata.brokers.get(services.brokerId)?.rack,
      partition.readableFollowers(),
      (id) => {
        const broker = metadata.brokers.get(id);
        const reachable =
          broker?.state === "running" && endpointOf(metadata, id, listener) !== undefined;
        return reachable ? broker.rack : undefined;
      },
    );
  }

  /** Where reading ends for this reader, and in which leadership. */
  #mark(partition: HostedPartition): ReadMark {
    const { leaderEpoch, isLeader, highWatermark } = partition;
    const committed = this.#request.isolationLevel === READ_COMMITTED;
    const end =
      this.#replicaId >= 0
        ? partition.log.logEndOffset
        : committed
          ? partition.lastStableOffset
          : highWatermark;
    return { end, leaderEpoch, isLeader, told: this.#tellsHighWatermark ? highWatermark : -1 };
  }

  /** Enough to answer: bytes as asked for, or anything that the client has to know at once. */
  enough(found: readonly Found[]): boolean {
    if (found.length === 0 && !this.#scope.incremental) return true;
    let bytes = 0;
    for (const one of found) {
      if (one.error !== undefined || one.diverging !== undefined) return true;
      if (one.preferred !== undefined) return true;
      const told = one.asked.told?.highWatermark;
      if (this.#tellsHighWatermark && told !== undefined && one.seen !== undefined) {
        if (one.seen.told > told) return true;
      }
      bytes += one.read?.bytes ?? 0;
    }
    return bytes >= this.#request.minBytes;
  }

  /**
   * Until something has moved in any of the partitions since `found` was read, or the time is up. What moved while the
   * others were still being read, before anybody listened, counts as well.
   */
  wait(found: readonly Found[], timeout: number): Promise<void> {
    const { services, connection, answers } = this.#context;
    const { scheduler } = services.environment;
    return new Promise((resolve) => {
      const stops: (() => void)[] = [];
      let woken = false;
      const wake = (): void => {
        if (woken) return;
        woken = true;
        timer.cancel();
        for (const stop of stops) stop();
        // At the end of the turn: whatever else is appended in it is answered together.
        scheduler.soon(resolve);
      };
      const timer = scheduler.after(timeout, wake);
      for (const { topic, topicId, partition } of this.#scope.partitions) {
        const id = topicOf(services.metadata, topic, topicId)?.topicId;
        if (id !== undefined) stops.push(services.replicas.onProgress(id, partition, wake));
      }
      if (connection !== undefined) stops.push(connection.whenClosed(wake));
      if (this.#starved && answers !== undefined) {
        const pass = (): void => {
          // At once: of those who wait only as many pass as there is room for.
          answers.hold(CHUNK_BYTES);
          this.#promised = true;
          wake();
        };
        stops.push(answers.room.wait(pass));
      }
      if (found.some((one) => this.#moved(one))) wake();
    });
  }

  #moved({ partition, seen }: Found): boolean {
    if (partition === undefined || seen === undefined) return false;
    const { topicId, partition: index } = partition;
    if (this.#context.services.replicas.byTopicId(topicId, index) !== partition) return true;
    const now = this.#mark(partition);
    return (
      now.end !== seen.end ||
      now.told !== seen.told ||
      now.isLeader !== seen.isLeader ||
      now.leaderEpoch !== seen.leaderEpoch
    );
  }
}

function refusal(asked: FetchPartition, error: unknown): Found {
  codeOf(error);
  return { asked, error };
}
