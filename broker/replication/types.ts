import type { BrokerId } from "../../cluster/broker.ts";
import type { Millis } from "../../lib/units.ts";
import type { AppendResult, EpochEnd, Offset, PartitionLog } from "../log/types.ts";
import type { ReadableReplica } from "./read-replica.ts";

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One partition hosted on this broker, in its present role. Refusals are thrown ProtocolErrors. */
export interface HostedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly log: PartitionLog;
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isLeader: boolean;
  readonly highWatermark: Offset;
  /**
   * This leader's high watermark has not reached the start of its leader epoch: more is committed than it knows of, and
   * what depends on the end of that cannot be answered yet (KIP-207).
   */
  readonly highWatermarkLags: boolean;
  /** Last stable offset: the high watermark, or the first open transaction before it (KIP-98). */
  readonly lastStableOffset: Offset;

  /**
   * Appends as the leader. Throws NOT_LEADER_OR_FOLLOWER when not leading (or out of contact for the session
   * timeout), NOT_ENOUGH_REPLICAS when `acks` is -1 and the ISR is below the minimum, and what the log refuses.
   */
  append(records: Uint8Array, acks: number, origin: "client" | "coordinator"): AppendResult;
  /**
   * Resolves when the high watermark has passed `offset` with enough in-sync replicas, rejects with
   * NOT_LEADER_OR_FOLLOWER when leadership was lost, REQUEST_TIMED_OUT after `timeout`,
   * NOT_ENOUGH_REPLICAS_AFTER_APPEND when the ISR shrank below the minimum.
   */
  committed(offset: Offset, timeout: Millis): Promise<void>;
  /** Throws NOT_LEADER_OR_FOLLOWER unless this broker leads and is in touch (docs/invariants.md R7). */
  requireLeader(): unknown;
  /**
   * What consumers may read here, as the leader or, up to the high watermark that this follower knows of, as a follower
   * (KIP-392). Throws NOT_LEADER_OR_FOLLOWER when it is neither or out of touch (R7).
   */
  requireReplica(): void;
  /** In-sync followers that consumers may be sent to; none unless this broker leads. */
  readableFollowers(): Iterable<ReadableReplica>;
  /**
   * Checks a follower's fetch and takes it as its acknowledgement of all before `fetchOffset`; to be called for every
   * partition of every follower fetch, parked or not, before its records are read.
   * @returns where the follower has to look for common ground (divergingEpoch), or undefined. Throws
   * FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, STALE_BROKER_EPOCH, OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER.
   */
  followerFetch(fetch: FollowerFetch): EpochEnd | undefined;
}

/** A follower's fetch as its leader must see it before any byte is served. */
export interface FollowerFetch {
  readonly replicaId: BrokerId;
  readonly replicaEpoch: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: number;
  /** Where the follower's log begins; -1 when it does not say. */
  readonly logStartOffset: Offset;
}

/** What handlers and coordinators ask of the replicas on this broker. */
export interface Replicas {
  /** Throws UNKNOWN_TOPIC_OR_PARTITION when not hosted here. */
  get(topic: string, partition: number): HostedPartition | undefined;
  byTopicId(topicId: string, partition: number): HostedPartition | undefined;
  all(): Iterable<HostedPartition>;
  /** Calls back when the high watermark, the log end or the role moved, until the returned function is called. */
  onProgress(topicId: string, partition: number, listener: () => void): () => void;
  /** Resolves when everything appended on this broker so far is on stable storage. */
  flush(): Promise<void>;
}

/** Told by the replica manager; used by the coordinators to load and unload their shards. */
export interface LeadershipListener {
  onBecameLeader(partition: HostedPartition): void;
  onLostLeadership(topic: string, partition: number, leaderEpoch: number): void;
}
