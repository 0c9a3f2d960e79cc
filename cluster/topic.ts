import type { Condition, KubeObject } from "../kube/objects.ts";
import type { Bytes } from "../lib/units.ts";
import type { Assignments } from "./assignments.ts";

/** The load a topic is to be laid out for; the partition count is computed from it (partition-count.ts). */
export interface ExpectedPeak {
  readonly recordsPerSecond?: number;
  readonly recordBytes?: Bytes;
  readonly bytesPerSecond?: Bytes;
  /** What one consumer of a group can process, records a second. */
  readonly consumerRecordsPerSecond?: number;
}

/** One Kafka topic. Exactly one of `partitions` and `expectedPeak` is set. */
export interface Topic extends KubeObject {
  readonly spec: {
    /** Name of the BrokerCluster object in the same namespace. */
    readonly cluster: string;
    /** Kafka's name; defaults to the object's. */
    readonly topicName?: string;
    readonly partitions?: number;
    readonly expectedPeak?: ExpectedPeak;
    readonly replicas?: number;
    readonly minInSyncReplicas?: number;
    /** Kafka topic configs by Kafka's names, values as strings. */
    readonly config?: Readonly<Record<string, string>>;
    /**
     * Chosen replicas by partition (CreateTopics with assignments, reassignment). The operator places partitions beyond
     * them, those with an empty list, and those whose list names a broker that is not to stay (assignments.ts).
     */
    readonly assignments?: Assignments;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly topicId?: string;
    readonly topicName?: string;
    readonly partitions?: number;
    /** How `partitions` came from `expectedPeak`, as a sum a person can check. */
    readonly partitionsReason?: string;
    readonly replicas?: number;
    readonly minInSyncReplicas?: number;
    readonly underReplicated?: number;
    readonly offline?: number;
    readonly conditions?: readonly Condition[];
  };
}
