import type { KubeObject } from "../kube/objects.ts";
import type { BrokerId } from "./broker.ts";

/** A slice holds at most this many partitions of one topic (the EndpointSlice idea). */
export const PARTITIONS_PER_SLICE = 100;

/** No leader. */
export const NO_LEADER: BrokerId = -1;

/**
 * Where the replicas of one partition live: written by the operator only. During a move `replicas` is the union of old
 * and new in the new preferred order, `adding` those that must come into the ISR, `removing` those that then leave.
 */
export interface PartitionPlacement {
  readonly replicas: readonly BrokerId[];
  readonly adding?: readonly BrokerId[];
  readonly removing?: readonly BrokerId[];
}

/** Who leads one partition: written by brokers only, each change a compare-and-swap on `partitionEpoch`. */
export interface PartitionState {
  /** NO_LEADER when there is none. */
  readonly leader: BrokerId;
  /** Grows with each change of leadership, also when the same broker is elected again. */
  readonly leaderEpoch: number;
  /** In-sync replicas as committed, never in any particular order. */
  readonly isr: readonly BrokerId[];
  /** Eligible leader replicas (KIP-966). */
  readonly elr: readonly BrokerId[];
  /** Grows by one with each change of this record. */
  readonly partitionEpoch: number;
}

/** Up to 100 partitions of one topic: partition `firstPartition + i` at index i. Written by the operator only. */
export interface PartitionSlice extends KubeObject {
  readonly spec: {
    /** Name of the BrokerCluster object. */
    readonly cluster: string;
    /** Kafka's name of the topic. */
    readonly topic: string;
    /** The Topic object's uid: the Kafka topic id (KIP-516). */
    readonly topicId: string;
    /** Name of the LeadershipShard that says who leads these partitions. */
    readonly shard: string;
    readonly firstPartition: number;
    readonly partitions: readonly PartitionPlacement[];
  };
}
