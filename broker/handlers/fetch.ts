import { ErrorCode } from "../protocol/error-codes.ts";
import type { FetchRequest, fetchResponse } from "../protocol/messages/fetch.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import type { FetchPartition, FetchScope } from "../fetch-session.ts";
import type { EpochEnd, LogRead } from "../log/types.ts";
import { divergence } from "../replication/follower-replica.ts";
import type { HostedPartition } from "../replication/types.ts";
import { checkLeaderEpoch, codeOf, LeaderHints, partitionOf, topicOf } from "./common.ts";
import { HeldAnswer, type HoldingHandler, type RequestContext } from "./handler.ts";

type Response = InputOf<typeof fetchResponse>;
type TopicAnswer = NonNullable<Response["responses"]>[number];
type PartitionAnswer = NonNullable<TopicAnswer["partitions"]>[number];

const READ_COMMITTED = 1;

/** What one partition has for a fetch now. */
interface Found {
  readonly asked: FetchPartition;
  readonly partition?: HostedPartition;
  readonly read?: LogRead;
  readonly diverging?: EpochEnd;
  readonly error?: unknown;
}

/** Long-polling fetch of consumers, and of followers on the internal listener (KIP-74, KIP-227, KIP-320, KIP-951). */
export const handleFetch: HoldingHandler<FetchRequest, Response> = async (
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
  const scope = services.fetchSessions.resolve(request);
  const fetch = new Fetch(context, request, replicaId, scope);
  const stopWatching = context.connection?.whenClosed(() => {
    fetch.abandoned = true;
  });
  try {
    const refused = fetch.begin();
    const { scheduler } = services.environment;
    const deadline = scheduler.now() + request.maxWaitMs;
    let found = await fetch.look(refused);
    while (!fetch.enough(found) && scheduler.now() < deadline) {
      releaseAll(found);
      await fetch.wait(deadline - scheduler.now());
      if (fetch.abandoned) return { errorCode: ErrorCode.NONE };
      found = await fetch.look(refused);
    }
    return new HeldAnswer(fetch.answer(found), () => {
      releaseAll(found);
    });
  } finally {
    stopWatching?.();
  }
};

class Fetch {
  readonly #context: RequestContext;
  readonly #request: FetchRequest;
  readonly #replicaId: number;
  readonly #scope: FetchScope;
  abandoned = false;

  constructor(
    context: RequestContext,
    request: FetchRequest,
    replicaId: number,
    scope: FetchScope,
  ) {
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
  async look(refused: ReadonlyMap<FetchPartition, Found>): Promise<Found[]> {
    const found: Found[] = [];
    let left = Math.min(
      this.#request.maxBytes,
      this.#context.services.config.number("fetch.max.bytes"),
    );
    let some = false;
    for (const asked of this.#scope.partitions) {
      const known = refused.get(asked);
      if (known !== undefined) {
        found.push(known);
        continue;
      }
      try {
        const partition = this.#partition(asked);
        partition.requireLeader();
        const diverging = this.#replicaId >= 0 ? undefined : this.#checkConsumer(asked, partition);
        if (diverging !== undefined) {
          found.push({ asked, partition, diverging });
          continue;
        }
        const reading = partition.log.read(
          asked.fetchOffset,
          Math.max(0, Math.min(asked.maxBytes, left)),
          this.#upTo(partition),
          !some,
        );
        const read = reading instanceof Promise ? await reading : reading;
        if (read.bytes > 0) some = true;
        left -= read.bytes;
        found.push({ asked, partition, read });
      } catch (error) {
        codeOf(error);
        found.push({ asked, error });
      }
    }
    return found;
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

  #upTo(partition: HostedPartition): number {
    if (this.#replicaId >= 0) return Infinity;
    return this.#request.isolationLevel === READ_COMMITTED
      ? partition.lastStableOffset
      : partition.highWatermark;
  }

  /** Enough to answer: bytes as asked for, or anything that the client has to know at once. */
  enough(found: readonly Found[]): boolean {
    if (found.length === 0 && !this.#scope.incremental) return true;
    let bytes = 0;
    for (const one of found) {
      if (one.error !== undefined || one.diverging !== undefined) return true;
      bytes += one.read?.bytes ?? 0;
    }
    return bytes >= this.#request.minBytes;
  }

  /** Until something moved in any of the partitions, or the time is up. */
  wait(timeout: number): Promise<void> {
    const { services, connection } = this.#context;
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
    });
  }

  answer(found: readonly Found[]): Response {
    const hints = new LeaderHints(this.#context);
    const topics = new Map<
      string,
      { topic: string; topicId: string; partitions: PartitionAnswer[] }
    >();
    for (const one of found) {
      const answered = this.#partitionAnswer(one, hints);
      if (answered === undefined) continue;
      const { topic, topicId } = one.asked;
      const key = topicId === ZERO_UUID ? topic : topicId;
      const entry = topics.get(key) ?? { topic, topicId, partitions: [] };
      entry.partitions.push(answered);
      topics.set(key, entry);
    }
    return {
      errorCode: ErrorCode.NONE,
      sessionId: this.#scope.sessionId,
      responses: [...topics.values()],
      nodeEndpoints: hints.endpoints,
    };
  }

  #partitionAnswer(
    { asked, partition, read, diverging, error }: Found,
    hints: LeaderHints,
  ): PartitionAnswer | undefined {
    const partitionIndex = asked.partition;
    if (error !== undefined) {
      const errorCode = codeOf(error);
      asked.told = undefined;
      const known =
        this.#replicaId >= 0 && errorCode === ErrorCode.OFFSET_OUT_OF_RANGE ? partition : undefined;
      return {
        partitionIndex,
        errorCode,
        highWatermark: known?.highWatermark ?? -1,
        logStartOffset: known?.log.logStartOffset ?? -1,
        records: null,
        ...(errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER ||
        errorCode === ErrorCode.FENCED_LEADER_EPOCH
          ? { currentLeader: hints.for(asked.topic, asked.topicId, asked.partition) }
          : {}),
      };
    }
    const highWatermark = partition?.highWatermark ?? -1;
    const logStartOffset = partition?.log.logStartOffset ?? -1;
    const same =
      asked.told?.highWatermark === highWatermark && asked.told.logStartOffset === logStartOffset;
    if (this.#scope.incremental && same && diverging === undefined && (read?.bytes ?? 0) === 0)
      return undefined;
    asked.told = { highWatermark, logStartOffset };
    return {
      partitionIndex,
      errorCode: ErrorCode.NONE,
      highWatermark,
      lastStableOffset: partition?.lastStableOffset ?? -1,
      logStartOffset,
      abortedTransactions: this.#request.isolationLevel === READ_COMMITTED ? [] : null,
      ...(diverging === undefined
        ? {}
        : { divergingEpoch: { epoch: diverging.leaderEpoch, endOffset: diverging.endOffset } }),
      records: read === undefined ? null : read.parts,
    };
  }
}

function releaseAll(found: readonly Found[]): void {
  for (const { read } of found) read?.release();
}
