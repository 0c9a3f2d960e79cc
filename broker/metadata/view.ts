import type { Assignments } from "../../cluster/assignments.ts";
import type { BrokerEndpoint, BrokerId, BrokerState } from "../../cluster/broker.ts";
import type { Condition } from "../../kube/objects.ts";

/** A registered broker as this broker sees it. */
export interface BrokerImage {
  readonly id: BrokerId;
  readonly epoch: number;
  readonly endpoints: readonly BrokerEndpoint[];
  readonly rack: string | undefined;
  /** As the controller last recorded it. */
  readonly state: BrokerState;
  /** Not serving: left out of Metadata answers and never elected. */
  readonly fenced: boolean;
  /** As its object has them: whoever changes the state writes them anew. */
  readonly conditions: readonly Condition[] | undefined;
  /** metadata.generation of its object. */
  readonly generation: number | undefined;
}

export interface PartitionImage {
  readonly partition: number;
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly elr: readonly BrokerId[];
  readonly adding: readonly BrokerId[];
  readonly removing: readonly BrokerId[];
}

export interface TopicImage {
  /** Kafka's name. */
  readonly name: string;
  /** Lower-case UUID with dashes. */
  readonly topicId: string;
  /** Name of the Topic object. */
  readonly objectName: string;
  /** metadata.generation of the Topic object: grows with each change of its spec. */
  readonly generation: number;
  readonly internal: boolean;
  /** Topic configs set by the user, by Kafka's names (spec.config plus minInSyncReplicas as min.insync.replicas). */
  readonly config: ReadonlyMap<string, string>;
  /** Replicas that were chosen, by partition; an empty list where the operator chooses (spec.assignments). */
  readonly assignments: Assignments;
  /** Index = partition; only those that are recorded without a gap from 0. */
  readonly partitions: readonly PartitionImage[];
}

/** What this broker knows of the cluster, from its watches; synchronous and cheap to read. */
export interface MetadataView {
  readonly clusterId: string;
  /** Holder of the controller Lease as last heard of, or -1. */
  readonly controllerId: BrokerId;
  /** Brokers that the cluster is to have: 0 to one less than this; 0 until it was read. */
  readonly brokerCount: number;
  /** All registered brokers by id. */
  readonly brokers: ReadonlyMap<BrokerId, BrokerImage>;
  readonly topics: ReadonlyMap<string, TopicImage>;
  readonly topicsById: ReadonlyMap<string, TopicImage>;
  /** Dynamic broker configs by Kafka's names (BrokerCluster spec.config). */
  readonly brokerConfig: ReadonlyMap<string, string>;
  /** Calls back after each change of the view, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** Calls back when a topic is gone, or another one has its name, until the returned function is called. */
  onTopicGone(listener: (name: string, topicId: string) => void): () => void;
}
