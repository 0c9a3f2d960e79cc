import type { BrokerId } from "../../cluster/broker.ts";
import type { Millis } from "../../lib/units.ts";
import type { AppendResult, Offset, PartitionLog } from "../log/types.ts";

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
}

/** What handlers and coordinators ask of the replicas on this broker. */
export interface Replicas {
  /** Throws UNKNOWN_TOPIC_OR_PARTITION when not hosted here. */
  get(topic: string, partition: number): HostedPartition | undefined;
  byTopicId(topicId: string, partition: number): HostedPartition | undefined;
  all(): Iterable<HostedPartition>;
}

/** Told by the replica manager; used by the coordinators to load and unload their shards. */
export interface LeadershipListener {
  onBecameLeader(partition: HostedPartition): void;
  onLostLeadership(topic: string, partition: number, leaderEpoch: number): void;
}
