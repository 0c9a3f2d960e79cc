import type { BrokerId } from "../../cluster/broker.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { FetchRequest } from "../protocol/messages/fetch.ts";
import { ProtocolError } from "../errors.ts";
import { type FetchPartition, type FetchScope, keyOfPartition } from "../fetch-session.ts";
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
  hasNews,
  held,
  isCut,
  type ReadMark,
  releaseAll,
} from "./fetch-answer.ts";
import { NOTHING_READ, readCounted } from "./fetch-memory.ts";
import { fetchScope } from "./fetch-scope.ts";
import { untilWoken } from "./fetch-wait.ts";
import type { HoldingHandler, RequestContext } from "./handler.ts";

const READ_COMMITTED = 1;
/** First version that may be sent to a nearer replica, and read from a follower (KIP-392). */
const NEAREST_REPLICA = 11;

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
  const scope = fetchScope(context, request, replicaId, version);
  if (debt > 0) return { throttleTimeMs: debt, sessionId: scope.sessionId };
  const fetch = new Fetch(context, request, replicaId, scope, version);
  const stopWatching = context.connection?.whenClosed(() => {
    fetch.abandoned = true;
  });
  try {
    const refused = fetch.begin();
    const deadline = scheduler.now() + request.maxWaitMs;
    let found = await fetch.look(refused);
    while (!fetch.enough(found) && !fetch.hurried && scheduler.now() < deadline) {
      releaseAll(found);
      if (!fetch.abandoned) await fetch.wait(found, deadline - scheduler.now());
      // Nobody is there to be answered: what is sent goes nowhere.
      if (fetch.abandoned) return { errorCode: ErrorCode.NONE };
      found = await fetch.look(refused);
    }
    return held(found, () => {
      const answer = fetchAnswer(context, request, replicaId, scope, found, version);
      fetch.told(found);
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
  /** What the next look is to look at, as the acknowledgement has chosen it. */
  #next: readonly FetchPartition[] | undefined;
  abandoned = false;
  /** A follower has more to say: it is answered with what there is. */
  hurried = false;

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
   * A follower's fetch acknowledges what is before it, once, on arrival (R2): of what it asks for anew and of what has
   * moved, and from time to time of all partitions of its session.
   * @returns what is refused, or diverges, by partition.
   */
  begin(): ReadonlyMap<FetchPartition, Found> {
    const refused = new Map<FetchPartition, Found>();
    if (this.#replicaId < 0) return refused;
    const { scheduler } = this.#context.services.environment;
    const all = this.#scope.moves?.allDue(scheduler.now()) ?? true;
    this.#next = all ? this.#scope.partitions : this.#toLookAt();
    for (const asked of this.#next) {
      try {
        const partition = this.#partition(asked);
        const diverging = this.#accept(asked, partition);
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

  /** All partitions; of a follower's session those of which there may be something to say. */
  #toLookAt(): readonly FetchPartition[] {
    const { moves, at, partitions } = this.#scope;
    if (moves === undefined) return partitions;
    return moves.take().flatMap((key) => at?.(key) ?? []);
  }

  #accept(asked: FetchPartition, partition: HostedPartition): EpochEnd | undefined {
    asked.acceptedIn = -1;
    const diverging = partition.followerFetch({
      replicaId: this.#replicaId,
      replicaEpoch: this.#request.replicaState.replicaEpoch,
      currentLeaderEpoch: asked.currentLeaderEpoch,
      fetchOffset: asked.fetchOffset,
      lastFetchedEpoch: asked.lastFetchedEpoch,
      logStartOffset: asked.logStartOffset,
    });
    if (diverging === undefined) asked.acceptedIn = partition.leaderEpoch;
    return diverging;
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
    const looking = this.#next ?? this.#toLookAt();
    this.#next = undefined;
    try {
      for (const asked of looking) {
        const known = refused.get(asked);
        const reading = known ?? this.#read(asked, left, !some);
        const one = reading instanceof Promise ? await reading : reading;
        found.push(one);
        this.#scope.moves?.owe(keyOfPartition(asked), hasNews(one));
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
      const diverging =
        this.#replicaId < 0
          ? this.#checkConsumer(asked, partition)
          : // Its leadership is another than when that was asked for.
            asked.acceptedIn === partition.leaderEpoch
            ? undefined
            : this.#accept(asked, partition);
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
    const { moves, partitions } = this.#scope;
    return untilWoken(services.environment.scheduler, timeout, (wake) => {
      const stops: (() => void)[] = [];
      if (moves === undefined) {
        for (const { topic, topicId, partition } of partitions) {
          const id = topicOf(services.metadata, topic, topicId)?.topicId;
          if (id !== undefined) stops.push(services.replicas.onProgress(id, partition, wake));
        }
      } else stops.push(moves.whenMoved(wake));
      if (connection !== undefined) stops.push(connection.whenClosed(wake));
      if (connection !== undefined && this.#replicaId >= 0) {
        const hurry = (): void => {
          this.hurried = true;
          wake();
        };
        stops.push(connection.whenNext(hurry));
      }
      if (this.#starved && answers !== undefined) {
        const pass = (): void => {
          // At once: of those who wait only as many pass as there is room for.
          answers.hold(CHUNK_BYTES);
          this.#promised = true;
          wake();
        };
        stops.push(answers.room.wait(pass));
      }
      if (moves?.some ?? found.some((one) => this.#moved(one))) wake();
      return stops;
    });
  }

  /** The answer tells what was found: what it had no room for stays to be told. */
  told(found: readonly Found[]): void {
    const { moves } = this.#scope;
    if (moves === undefined) return;
    for (const one of found) moves.owe(keyOfPartition(one.asked), isCut(one));
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
