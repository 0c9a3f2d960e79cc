import { ProtocolError } from "./errors.ts";
import { ErrorCode } from "./protocol/error-codes.ts";
import type { FetchRequest } from "./protocol/messages/fetch.ts";
import { ZERO_UUID } from "./protocol/schema.ts";
import { appended } from "../lib/small-list.ts";
import type { Random } from "../lib/random.ts";
import { type Millis, MINUTE } from "../lib/units.ts";
import { SessionMoves, type WatchPartition } from "./session-moves.ts";

/** What is to be fetched of one partition, and what its reader was last told. */
export interface FetchPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  currentLeaderEpoch: number;
  fetchOffset: number;
  lastFetchedEpoch: number;
  logStartOffset: number;
  maxBytes: number;
  /** A replica's: leader epoch in which this was taken as its acknowledgement, -1 when it was not. */
  acceptedIn: number;
  /** Told in the last answer of the session; an incremental answer leaves out what is the same. */
  told: { highWatermark: number; logStartOffset: number } | undefined;
}

/** One fetch request with the partitions that its session adds. */
export interface FetchScope {
  /** In the order in which they are to be read. */
  readonly partitions: readonly FetchPartition[];
  /** 0 when there is no session. */
  readonly sessionId: number;
  /** Only what changed is answered. */
  readonly incremental: boolean;
  /** Of a replica's session: which of its partitions are to be looked at, and how to find one by its key. */
  readonly moves: SessionMoves | undefined;
  at(key: string): FetchPartition | undefined;
  /** Records of the partition are in the answer: in the session's next fetch it is read after the others. */
  served(partition: FetchPartition): void;
}

/** Who asks, and when. */
export interface FetchAsker {
  /** A replica, whose session makes room for itself before a consumer's (KIP-227). */
  readonly privileged: boolean;
  /** The request names topics by id (version 13 and later, KIP-516). */
  readonly topicIds: boolean;
  readonly now: Millis;
  /**
   * Of a replica: its session is told what moves, so that a fetch need not look at all that is at rest, but for each time
   * that so long has passed.
   */
  readonly follows?:
    (() => { readonly watch: WatchPartition; readonly allAfterMs: Millis }) | undefined;
}

interface Session {
  readonly id: number;
  readonly privileged: boolean;
  readonly topicIds: boolean;
  readonly createdAt: Millis;
  usedAt: Millis;
  epoch: number;
  readonly partitions: Map<string, FetchPartition>;
  readonly moves: SessionMoves | undefined;
}

const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const MAX_EPOCH = 2 ** 31 - 1;
/** A session that is unused, or there, for so long may have to go for another (KIP-227). */
const EVICTABLE_AFTER: Millis = 2 * MINUTE;
/** Partitions of all sessions together: 200 bytes each, or so. */
const MAX_PARTITIONS = 500_000;

/**
 * Incremental fetch sessions (KIP-227), a bounded number of sessions and of partitions in them. When there is no room, one
 * that was not used for two minutes goes; else the newcomer takes the place of one that is worth less than it: a
 * consumer's for a replica's, or, when that one has had its place for two minutes, one with fewer partitions. If there
 * is none, the newcomer is served without a session. (core)
 */
export class FetchSessionCache {
  readonly #slots: number;
  readonly #random: Random;
  readonly #maxPartitions: number;
  /** In order of last use. */
  readonly #sessions = new Map<number, Session>();
  #partitions = 0;

  constructor(slots: number, random: Random, maxPartitions = MAX_PARTITIONS) {
    this.#slots = slots;
    this.#random = random;
    this.#maxPartitions = maxPartitions;
  }

  get size(): number {
    return this.#sessions.size;
  }
  /** Partitions of all sessions. */
  get partitions(): number {
    return this.#partitions;
  }

  /** Throws FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. */
  resolve(request: FetchRequest, asker: FetchAsker): FetchScope {
    const asked = askedIn(request);
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      const former = this.#sessions.get(sessionId);
      if (former !== undefined) this.#remove(former);
      const session =
        sessionEpoch === FINAL_EPOCH || asked.length === 0 ? undefined : this.#create(asked, asker);
      return new SessionScope(session, asked);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw new ProtocolError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    if (session.epoch !== sessionEpoch)
      throw new ProtocolError(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
    if (session.topicIds !== asker.topicIds)
      throw new ProtocolError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
    session.epoch = sessionEpoch === MAX_EPOCH ? 1 : sessionEpoch + 1;
    session.usedAt = asker.now;
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    const before = session.partitions.size;
    for (const topic of request.forgottenTopicsData) {
      for (const partition of topic.partitions) {
        const key = keyOf(topic.topic, topic.topicId, partition);
        session.partitions.delete(key);
        session.moves?.forgot(key);
      }
    }
    for (const one of asked) {
      const key = keyOfPartition(one);
      session.partitions.set(key, { ...one, told: session.partitions.get(key)?.told });
      session.moves?.asked(key, one);
    }
    this.#partitions += session.partitions.size - before;
    if (this.#partitions > this.#maxPartitions) {
      // The client begins anew with all of them, and is then served without a session.
      this.#remove(session);
      throw new ProtocolError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    }
    return new SessionScope(session);
  }

  #create(asked: readonly FetchPartition[], asker: FetchAsker): Session | undefined {
    const partitions = new Map(asked.map((one) => [keyOfPartition(one), one]));
    if (this.#partitions + partitions.size > this.#maxPartitions) return undefined;
    if (!this.#makeRoom(partitions.size, asker)) return undefined;
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = 1 + this.#random.below(MAX_EPOCH - 1);
    const { privileged, topicIds, now } = asker;
    const follows = asker.follows?.();
    const moves =
      follows === undefined ? undefined : new SessionMoves(follows.watch, follows.allAfterMs);
    for (const [key, one] of partitions) moves?.asked(key, one);
    const session: Session = {
      id,
      privileged,
      topicIds,
      createdAt: now,
      usedAt: now,
      epoch: 1,
      partitions,
      moves,
    };
    this.#sessions.set(id, session);
    this.#partitions += partitions.size;
    return session;
  }

  /** @returns whether a session of `size` partitions can come in. */
  #makeRoom(size: number, { privileged, now }: FetchAsker): boolean {
    if (this.#sessions.size < this.#slots) return true;
    const [oldest] = this.#sessions.values();
    if (oldest === undefined) return false;
    if (now - oldest.usedAt > EVICTABLE_AFTER) {
      this.#remove(oldest);
      return true;
    }
    let least: Session | undefined;
    for (const session of this.#sessions.values()) {
      const evictable =
        now - session.createdAt > EVICTABLE_AFTER || (privileged && !session.privileged);
      if (evictable && (least === undefined || worth(session) < worth(least))) least = session;
    }
    if (least === undefined || valueOf(privileged, size) <= worth(least)) return false;
    this.#remove(least);
    return true;
  }

  /** Its client is gone and will not come back to it. */
  close(id: number): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#remove(session);
  }

  #remove(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#partitions -= session.partitions.size;
    session.moves?.end();
  }
}

function askedIn({ topics }: FetchRequest): FetchPartition[] {
  let asked: FetchPartition[] = [];
  for (const { topic, topicId, partitions } of topics) {
    for (const one of partitions) {
      asked = appended(asked, {
        topic,
        topicId,
        partition: one.partition,
        currentLeaderEpoch: one.currentLeaderEpoch,
        fetchOffset: one.fetchOffset,
        lastFetchedEpoch: one.lastFetchedEpoch,
        logStartOffset: one.logStartOffset,
        maxBytes: one.partitionMaxBytes,
        acceptedIn: -1,
        told: undefined,
      });
    }
  }
  return asked;
}

/** What a fetch is to look at. */
class SessionScope implements FetchScope {
  readonly incremental: boolean;
  readonly #session: Session | undefined;
  /** As they were when it came; of a replica they are not listed, most of its fetches look at few of its thousands. */
  readonly #partitions: readonly FetchPartition[] | undefined;

  /** @param asked of a fetch that begins or ends a session, or has none: just these, all of which are answered */
  constructor(session: Session | undefined, asked?: readonly FetchPartition[]) {
    this.#session = session;
    this.incremental = asked === undefined;
    this.#partitions = asked ?? (session?.moves === undefined ? listOf(session) : undefined);
  }

  get partitions(): readonly FetchPartition[] {
    return this.#partitions ?? listOf(this.#session);
  }
  get sessionId(): number {
    return this.#session?.id ?? 0;
  }
  get moves(): SessionMoves | undefined {
    return this.#session?.moves;
  }

  at(key: string): FetchPartition | undefined {
    return this.#session?.partitions.get(key);
  }

  served(served: FetchPartition): void {
    const key = keyOfPartition(served);
    // Possibly another than was served: a later request may have changed it meanwhile.
    const present = this.at(key);
    if (this.#session === undefined || present === undefined) return;
    this.#session.partitions.delete(key);
    this.#session.partitions.set(key, present);
  }
}

function listOf(session: Session | undefined): readonly FetchPartition[] {
  return [...(session?.partitions.values() ?? [])];
}

function worth({ privileged, partitions }: Session): number {
  return valueOf(privileged, partitions.size);
}

/** A replica's session is worth more than any consumer's, and among equals the one with more partitions. */
function valueOf(privileged: boolean, partitions: number): number {
  return (privileged ? 2 ** 32 : 0) + partitions;
}

/** By which a session knows one of its partitions. */
export function keyOfPartition({
  topic,
  topicId,
  partition,
}: Pick<FetchPartition, "topic" | "topicId" | "partition">): string {
  return keyOf(topic, topicId, partition);
}

function keyOf(topic: string, topicId: string, partition: number): string {
  return `${topicId === ZERO_UUID ? topic : topicId}/${partition}`;
}
