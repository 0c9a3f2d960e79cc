import { chosenReplicas } from "../../cluster/assignments.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import { partitionCount } from "../../cluster/partition-count.ts";
import type { Topic } from "../../cluster/topic.ts";

/** What a topic is to be, every default filled in. */
export interface TopicShape {
  readonly topicName: string;
  readonly partitions: number;
  /** How `partitions` came from `expectedPeak`; absent when the user gave the number. */
  readonly partitionsReason?: string;
  readonly replicas: number;
  readonly minInSyncReplicas: number;
  /** Assignments that name a broker which is not to stay, and so do not count. */
  readonly setAside?: number;
}

/** Why a topic cannot be as its spec says: reason of a condition, and a sentence that tells what to do. */
export interface TopicRefusal {
  readonly reason:
    | "ClusterNotFound"
    | "InvalidTopicName"
    | "TopicNameConflict"
    | "PartitionsMissing"
    | "PartitionsCannotShrink"
    | "NotEnoughBrokers"
    | "MinInSyncReplicasTooHigh"
    | "InvalidAssignment";
  readonly message: string;
}

export interface TopicShapeInputs {
  readonly topic: Topic;
  readonly cluster: BrokerCluster | undefined;
  /** All Topics of the namespace. */
  readonly topics: Iterable<Topic>;
  /** Partitions that the topic has. */
  readonly present: number;
}

/** Spec → shape, or refusal (pure). What the CRD's own rules refuse is refused here again: they may be older or off. */
export function topicShape(inputs: TopicShapeInputs): TopicShape | TopicRefusal {
  const { topic, cluster, present } = inputs;
  const { spec } = topic;
  const topicName = kafkaName(topic);
  if (cluster === undefined) {
    return {
      reason: "ClusterNotFound",
      message: `there is no BrokerCluster "${spec.cluster}" in this namespace; create it, or make this Topic anew with another spec.cluster`,
    };
  }
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(topicName) || topicName === "." || topicName === "..") {
    return {
      reason: "InvalidTopicName",
      message: `"${topicName}" is not a topic name: 1 to 249 of letters, digits, ".", "_" and "-", but not "." or ".."`,
    };
  }
  const first = firstOfName(topic, topicName, inputs.topics);
  if (first !== undefined) {
    return {
      reason: "TopicNameConflict",
      message: `the Topic "${first.metadata.name}", which is older, holds the topic name "${topicName}"; delete one of the two`,
    };
  }
  const brokers = cluster.spec.brokers;
  const replicas =
    spec.replicas ??
    spec.assignments?.find(({ length }) => length > 0)?.length ??
    defaultReplicas(cluster);
  if (replicas > brokers) {
    return {
      reason: "NotEnoughBrokers",
      message: `${String(replicas)} replicas need as many brokers, and "${spec.cluster}" has ${String(brokers)}; lower spec.replicas or raise the cluster's spec.brokers`,
    };
  }
  const minInSyncReplicas = minInSync(topic, cluster, replicas);
  if (minInSyncReplicas > replicas) {
    return {
      reason: "MinInSyncReplicasTooHigh",
      message: `minInSyncReplicas ${String(minInSyncReplicas)} can never be met by ${String(replicas)} replicas; lower it or raise spec.replicas`,
    };
  }
  const counted = count(topic, brokers, present);
  if ("reason" in counted) return counted;
  const assignments = spec.assignments ?? [];
  const wrong = wrongAssignment(assignments, counted.partitions, present, brokers);
  if (wrong !== undefined) return { reason: "InvalidAssignment", message: wrong };
  const setAside = assignments.filter(
    (chosen, at) => chosen.length > 0 && chosenReplicas(assignments, at, brokers) === undefined,
  ).length;
  return {
    topicName,
    replicas,
    minInSyncReplicas,
    ...(setAside === 0 ? {} : { setAside }),
    ...counted,
  };
}

/** The topic's name among Kafka's. */
export function kafkaName(topic: Topic): string {
  return topic.spec.topicName ?? topic.metadata.name;
}

function count(
  topic: Topic,
  brokers: number,
  present: number,
): { readonly partitions: number; readonly partitionsReason?: string } | TopicRefusal {
  const { partitions, expectedPeak } = topic.spec;
  if (partitions !== undefined) {
    if (!Number.isInteger(partitions) || partitions < 1) {
      return { reason: "PartitionsMissing", message: "spec.partitions must be at least 1" };
    }
    if (partitions < present) {
      return {
        reason: "PartitionsCannotShrink",
        message: `the topic has ${String(present)} partitions and cannot have ${String(partitions)}; make a new Topic with fewer and copy the records`,
      };
    }
    return { partitions };
  }
  if (expectedPeak === undefined) {
    return {
      reason: "PartitionsMissing",
      message: "set spec.partitions, or spec.expectedPeak to have the number computed",
    };
  }
  const { partitions: computed, reason } = partitionCount(expectedPeak, brokers, present);
  return { partitions: computed, partitionsReason: reason };
}

function defaultReplicas(cluster: BrokerCluster): number {
  const configured = Number(cluster.spec.config?.["default.replication.factor"]);
  const wanted = Number.isInteger(configured) && configured > 0 ? configured : 3;
  return Math.min(wanted, cluster.spec.brokers);
}

/** The topic's own, else the cluster's as far as the replicas allow, else a majority. As the brokers compute it. */
function minInSync(topic: Topic, cluster: BrokerCluster, replicas: number): number {
  const own = topic.spec.minInSyncReplicas ?? Number(topic.spec.config?.["min.insync.replicas"]);
  if (own > 0) return own;
  const configured = Number(cluster.spec.config?.["min.insync.replicas"]);
  if (configured > 0) return Math.min(configured, replicas);
  return Math.floor(replicas / 2) + 1;
}

/** An older Topic of the same Kafka name, if there is one: the first keeps the name. */
function firstOfName(topic: Topic, name: string, topics: Iterable<Topic>): Topic | undefined {
  let first = topic;
  for (const other of topics) {
    if (other.spec.cluster !== topic.spec.cluster || kafkaName(other) !== name) continue;
    if (isOlder(other, first)) first = other;
  }
  return first.metadata.uid === topic.metadata.uid ? undefined : first;
}

function isOlder(a: Topic, b: Topic): boolean {
  const createdA = a.metadata.creationTimestamp ?? "";
  const createdB = b.metadata.creationTimestamp ?? "";
  return createdA === createdB ? a.metadata.name < b.metadata.name : createdA < createdB;
}

function wrongAssignment(
  assignments: readonly (readonly BrokerId[])[],
  partitions: number,
  present: number,
  brokers: number,
): string | undefined {
  if (assignments.length > partitions) {
    return `spec.assignments names ${String(assignments.length)} partitions, and there are ${String(partitions)}`;
  }
  for (const [partition, replicas] of assignments.entries()) {
    const where = `spec.assignments of partition ${String(partition)}`;
    if (new Set(replicas).size !== replicas.length) return `${where} names a broker twice`;
    const unknown = replicas.find((id) => id < 0 || id >= brokers);
    // Of a partition that is there the choice was right once, and its broker is to go now.
    if (partition < present) continue;
    if (unknown !== undefined) {
      return `${where} names broker ${String(unknown)}, and brokers are 0 to ${String(brokers - 1)}`;
    }
  }
  return undefined;
}
