import type { BrokerId } from "../../cluster/broker.ts";
import { appended } from "../../lib/small-list.ts";
import type { Bytes } from "../../lib/units.ts";
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
} from "./common.ts";
import { type Found, hasNews, isCut, type ReadMark, releaseAll } from "./fetch-answer.ts";
import { NOTHING_READ, readCounted } from "./fetch-memory.ts";
import type { RequestContext } from "./handler.ts";

const READ_COMMITTED = 1;
/** First version that may be sent to a nearer replica, and read from a follower (KIP-392). */
const NEAREST_REPLICA = 11;
const NOTHING_REFUSED: ReadonlyMap<FetchPartition, Found> = new Map();

/** What one fetch finds in its partitions, each time that it looks; it keeps of its request only what it needs for that. */
export class FetchReader {
  readonly minBytes: Bytes;
  /** Only what no open transaction can take back. */
  readonly committed: boolean;
  /** Followers are told at once how far is committed: consumers read there. */
  readonly tellsHighWatermark: boolean;
  readonly #context: RequestContext;
  readonly #replicaId: number;
  readonly #replicaEpoch: number;
  readonly #scope: FetchScope;
  readonly #maxBytes: Bytes;
  readonly #rackId: string;
  /** It comes from a broker that has found its own copy damaged. */
  readonly #repairs: boolean;
  /** Consumers may read from followers, and are told of nearer ones. */
  readonly #anyReplica: boolean;
  #refused = NOTHING_REFUSED;
  /** What the next look is to look at, as the acknowledgement has chosen it. */
  #next: readonly FetchPartition[] | undefined;
  /** It has waited for memory, and one read's is kept for it. */
  #promised = false;
  /** Something that is not in memory was not read for want of some. */
  starved = false;
  /** Nobody is there any more to be answered. */
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
    this.#repairs = !isReplica && context.listener === "internal";
    this.#anyReplica =
      this.#repairs ||
      (readsFromNearest && !isReplica && version >= NEAREST_REPLICA && request.rackId !== "");
    this.tellsHighWatermark = readsFromNearest && isReplica;
    this.minBytes = request.minBytes;
    this.committed = request.isolationLevel === READ_COMMITTED;
    this.#context = context;
    this.#replicaId = replicaId;
    this.#replicaEpoch = request.replicaState.replicaEpoch;
    this.#scope = scope;
    this.#maxBytes = request.maxBytes;
    this.#rackId = request.rackId;
    if (isReplica) this.#refused = this.#acknowledge();
  }

  /**
   * A follower's fetch acknowledges what is before it, once, on arrival (R2): of what it asks for anew and of what has
   * moved, and from time to time of all partitions of its session.
   * @returns what is refused, or diverges, by partition.
   */
  #acknowledge(): ReadonlyMap<FetchPartition, Found> {
    const refused = new Map<FetchPartition, Found>();
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
    const { moves } = this.#scope;
    if (moves === undefined) return this.#scope.partitions;
    return moves.take().flatMap((key) => this.#scope.at(key) ?? []);
  }

  #accept(asked: FetchPartition, partition: HostedPartition): EpochEnd | undefined {
    asked.acceptedIn = -1;
    const diverging = partition.followerFetch({
      replicaId: this.#replicaId,
      replicaEpoch: this.#replicaEpoch,
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
  look(): readonly Found[] | Promise<readonly Found[]> {
    const { services } = this.#context;
    const left = Math.min(
      this.#maxBytes,
      services.config.number("fetch.max.bytes"),
      this.#replicaId < 0
        ? (quotasFor(this.#context)?.fetchLimit(quotaClientOf(this.#context)) ?? Infinity)
        : Infinity,
    );
    this.starved = false;
    const looking = this.#next ?? this.#toLookAt();
    const reads: Reads = { looking, found: [], hasSome: false, left, next: 0 };
    this.#next = undefined;
    try {
      const reading = this.#readOn(reads);
      if (reading !== undefined) return this.#lookOn(reads, reading);
    } catch (error) {
      releaseAll(reads.found);
      throw error;
    } finally {
      this.giveUpPromise();
    }
    return reads.found;
  }

  /** Goes on with partitions after the first that had to be read from a file. */
  async #lookOn(reads: Reads, first: Promise<Found>): Promise<readonly Found[]> {
    try {
      for (let reading: Promise<Found> | undefined = first; reading !== undefined;) {
        this.#take(reads, await reading);
        if (this.abandoned) break;
        reading = this.#readOn(reads);
      }
    } catch (error) {
      releaseAll(reads.found);
      throw error;
    } finally {
      this.giveUpPromise();
    }
    return reads.found;
  }

  /** Reads partitions as long as that takes no wait. @returns the read that does, of the last one that was begun */
  #readOn(reads: Reads): Promise<Found> | undefined {
    const { looking } = reads;
    while (reads.next < looking.length) {
      const asked = looking[reads.next++];
      if (asked === undefined) break;
      const reading = this.#refused.get(asked) ?? this.#read(asked, reads.left, !reads.hasSome);
      if (reading instanceof Promise) return reading;
      this.#take(reads, reading);
    }
    return undefined;
  }

  #take(reads: Reads, one: Found): void {
    reads.found = appended(reads.found, one);
    const bytes = one.read?.bytes ?? 0;
    reads.hasSome ||= bytes > 0;
    reads.left -= bytes;
    this.#scope.moves?.owe(keyOfPartition(one.asked), hasNews(one));
  }

  /** The answer tells what was found: what it had no room for stays to be told. */
  told(found: readonly Found[]): void {
    const { moves } = this.#scope;
    if (moves === undefined) return;
    for (const one of found) moves.owe(keyOfPartition(one.asked), isCut(one));
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
      this.starved = true;
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
    if (!this.#anyReplica || !partition.isLeader) return undefined;
    const { metadata } = services;
    return preferredReadReplica(
      this.#rackId,
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
    // A batch that goes in the place of a damaged one is the same in all replicas, committed or not (L5): a leader that waits
    // for that very replica may not know yet what is.
    const end =
      this.#replicaId >= 0 || this.#repairs
        ? partition.log.logEndOffset
        : this.committed
          ? partition.lastStableOffset
          : highWatermark;
    return { end, leaderEpoch, isLeader, told: this.tellsHighWatermark ? highWatermark : -1 };
  }

  /** One read's memory is kept for it: the next look may read from a file. */
  promise(): void {
    this.#context.answers?.hold(CHUNK_BYTES);
    this.#promised = true;
  }

  /** Whether something has moved since it was found. */
  moved({ partition, seen }: Found): boolean {
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

/** What was read of a fetch's partitions so far. */
interface Reads {
  readonly looking: readonly FetchPartition[];
  found: Found[];
  /** One of them has records. */
  hasSome: boolean;
  /** Bytes that may yet be read. */
  left: number;
  /** The partition to be read next. */
  next: number;
}
