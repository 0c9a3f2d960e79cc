import { ProtocolError } from "./errors.ts";
import { ErrorCode } from "./protocol/error-codes.ts";
import type { FetchRequest } from "./protocol/messages/fetch.ts";
import { ZERO_UUID } from "./protocol/schema.ts";
import type { Random } from "../lib/random.ts";

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
  /** Told in the last answer of the session; an incremental answer leaves out what is the same. */
  told: { highWatermark: number; logStartOffset: number } | undefined;
}

/** One fetch request with the partitions that its session adds. */
export interface FetchScope {
  readonly partitions: readonly FetchPartition[];
  /** 0 when there is no session. */
  readonly sessionId: number;
  /** Only what changed is answered. */
  readonly incremental: boolean;
}

interface Session {
  readonly id: number;
  epoch: number;
  readonly partitions: Map<string, FetchPartition>;
}

const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const MAX_EPOCH = 2 ** 31 - 1;

/** Incremental fetch sessions (KIP-227), a bounded number; the one unused longest makes room. (core) */
export class FetchSessionCache {
  readonly #slots: number;
  readonly #random: Random;
  /** In order of last use. */
  readonly #sessions = new Map<number, Session>();

  constructor(slots: number, random: Random) {
    this.#slots = slots;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Throws FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH. */
  resolve(request: FetchRequest): FetchScope {
    const asked = request.topics.flatMap((topic) =>
      topic.partitions.map((one): FetchPartition => ({
        topic: topic.topic,
        topicId: topic.topicId,
        partition: one.partition,
        currentLeaderEpoch: one.currentLeaderEpoch,
        fetchOffset: one.fetchOffset,
        lastFetchedEpoch: one.lastFetchedEpoch,
        logStartOffset: one.logStartOffset,
        maxBytes: one.partitionMaxBytes,
        told: undefined,
      })),
    );
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      if (sessionId !== 0) this.#sessions.delete(sessionId);
      if (sessionEpoch === FINAL_EPOCH || asked.length === 0) {
        return { partitions: asked, sessionId: 0, incremental: false };
      }
      return { partitions: asked, sessionId: this.#create(asked), incremental: false };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw new ProtocolError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    if (session.epoch !== sessionEpoch)
      throw new ProtocolError(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
    session.epoch = sessionEpoch === MAX_EPOCH ? 1 : sessionEpoch + 1;
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    for (const topic of request.forgottenTopicsData) {
      for (const partition of topic.partitions) {
        session.partitions.delete(keyOf(topic.topic, topic.topicId, partition));
      }
    }
    for (const one of asked) {
      const key = keyOf(one.topic, one.topicId, one.partition);
      session.partitions.set(key, { ...one, told: session.partitions.get(key)?.told });
    }
    return { partitions: [...session.partitions.values()], sessionId, incremental: true };
  }

  #create(asked: readonly FetchPartition[]): number {
    if (this.#slots === 0) return 0;
    if (this.#sessions.size >= this.#slots) {
      const [oldest] = this.#sessions.keys();
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = 1 + this.#random.below(MAX_EPOCH - 1);
    this.#sessions.set(id, {
      id,
      epoch: 1,
      partitions: new Map(asked.map((one) => [keyOf(one.topic, one.topicId, one.partition), one])),
    });
    return id;
  }
}

function keyOf(topic: string, topicId: string, partition: number): string {
  return `${topicId === ZERO_UUID ? topic : topicId}/${partition}`;
}
