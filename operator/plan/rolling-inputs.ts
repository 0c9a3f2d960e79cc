import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerId, BrokerObject } from "../../cluster/broker.ts";
import type { RecordedStates } from "../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import {
  stayingReplicas,
  wantedReplicas,
  type ReplicatedPartition,
} from "../../cluster/restart-safety.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { Lease } from "../../kube/objects.ts";
import {
  isReadyPod,
  REVISION_LABEL,
  type PodObject,
  type StatefulSet,
} from "../resources/workloads.ts";
import type { RollingBroker, RollingInputs } from "./rolling-restart.ts";
import { topicShape } from "./topic-shape.ts";

/** The objects that a rolling restart is decided from, all of one cluster. */
export interface RollingObjects {
  readonly cluster: BrokerCluster;
  readonly set: StatefulSet;
  readonly pods: readonly PodObject[];
  readonly brokers: readonly BrokerObject[];
  readonly topics: readonly Topic[];
  readonly slices: readonly PartitionSlice[];
  readonly states: RecordedStates;
  readonly lease: Lease | undefined;
}

/** Objects of the API → what a restart is decided from (pure). */
export function rollingInputs(objects: RollingObjects): RollingInputs {
  const { cluster, lease } = objects;
  const holder = /^(\d+):\d+$/.exec(lease?.spec?.holderIdentity ?? "")?.[1];
  return {
    brokers: brokersOf(objects),
    partitions: replicatedPartitions(cluster, objects.topics, objects.slices, objects.states),
    controller: holder === undefined ? undefined : Number(holder),
  };
}

/** The partitions of a cluster (pure). */
export function replicatedPartitions(
  cluster: BrokerCluster,
  topics: Iterable<Topic>,
  slices: Iterable<PartitionSlice>,
  states: RecordedStates,
): ReplicatedPartition[] {
  const byId = new Map([...topics].map((topic) => [topic.metadata.uid, topic]));
  return [...slices]
    .filter(({ spec }) => spec.cluster === cluster.metadata.name)
    .flatMap((slice) => partitionsOf(slice, states, cluster, byId.get(slice.spec.topicId)));
}

/** Whether a pod was made from another template than the set has now. */
export function isOutdated(pod: PodObject, set: StatefulSet): boolean {
  const revision = set.status?.updateRevision;
  return revision !== undefined && pod.metadata.labels?.[REVISION_LABEL] !== revision;
}

/** The ordinal of a pod of the set; undefined for a pod that is none. */
export function ordinalOf(pod: PodObject, set: StatefulSet): BrokerId | undefined {
  const { name } = set.metadata;
  if (!pod.metadata.name.startsWith(`${name}-`)) return undefined;
  const rest = pod.metadata.name.slice(name.length + 1);
  return /^\d{1,6}$/.test(rest) ? Number(rest) : undefined;
}

function brokersOf({ set, pods, brokers }: RollingObjects): RollingBroker[] {
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(pod, set), pod]));
  const states = new Map(brokers.map(({ spec, status }) => [spec.id, status?.state]));
  return Array.from({ length: set.spec.replicas ?? 1 }, (_, id) => {
    const pod = byOrdinal.get(id);
    return {
      id,
      gone: pod === undefined || pod.metadata.deletionTimestamp !== undefined,
      outdated: pod !== undefined && isOutdated(pod, set),
      ready: pod !== undefined && isReadyPod(pod),
      running: states.get(id) === "running",
    };
  });
}

function partitionsOf(
  slice: PartitionSlice,
  states: RecordedStates,
  cluster: BrokerCluster,
  topic: Topic | undefined,
): ReplicatedPartition[] {
  const { spec } = slice;
  const minimum = minInSync(cluster, topic);
  return spec.partitions.map((placement, index) => {
    const isr = states.of(slice, index)?.isr ?? [];
    const replicas = stayingReplicas(placement, isr);
    return {
      topic: spec.topic,
      name: `${spec.topic}-${spec.firstPartition + index}`,
      replicas,
      wantedReplicas: wantedReplicas(placement),
      isr,
      minInSyncReplicas: minimum ?? Math.floor(replicas.length / 2) + 1,
    };
  });
}

/** As the brokers compute it; undefined for a topic that is gone or refused: then a majority. */
function minInSync(cluster: BrokerCluster, topic: Topic | undefined): number | undefined {
  if (topic === undefined) return undefined;
  const shape = topicShape({ topic, cluster, topics: [], present: 0 });
  return "reason" in shape ? topic.status?.minInSyncReplicas : shape.minInSyncReplicas;
}
