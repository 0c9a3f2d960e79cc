import {
  type LeadershipShard,
  recordedStates,
  recordKey,
  stateText,
  type PartitionStates,
} from "../../cluster/leadership-shard.ts";
import { shardName } from "../../cluster/names.ts";
import type { PartitionSlice, PartitionState } from "../../cluster/partition-slice.ts";
import {
  API_VERSION,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
} from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { AlreadyExistsError } from "../../kube/errors.ts";
import { changeObject } from "./change-object.ts";

/** A slice with what its shard says of its partitions. */
export interface RecordedSlice extends PartitionSlice {
  /** Index as in `spec.partitions`; undefined for one that has no record yet. */
  readonly states: readonly (PartitionState | undefined)[];
}

export function withStates(
  slices: Iterable<PartitionSlice>,
  shards: Iterable<LeadershipShard>,
): RecordedSlice[] {
  const states = recordedStates(shards);
  return [...slices].map((slice) => ({
    ...slice,
    states: slice.spec.partitions.map((_, at) => states.of(slice, at)),
  }));
}

export async function recordedSlices(
  kube: Pick<KubeApi, "list">,
  namespace: string,
): Promise<RecordedSlice[]> {
  const slices = await kube.list(partitionSlices, namespace);
  const shards = await kube.list(leadershipShards, namespace);
  return withStates(slices.items, shards.items);
}

/** Every partition has all of its replicas in sync. */
export function isInSync({ spec, states }: RecordedSlice): boolean {
  return spec.partitions.every(({ replicas }, at) => states[at]?.isr.length === replicas.length);
}

/** States of a topic's partitions from one on, as a shard has them. */
export function statesOf(
  topicId: string,
  states: readonly (PartitionState | undefined)[],
  first = 0,
): PartitionStates {
  return Object.fromEntries(
    states.flatMap((state, at) =>
      state === undefined ? [] : [[recordKey(topicId, first + at), stateText(state)]],
    ),
  );
}

/** A shard as somebody has read it. */
export function shardOf(
  cluster: string,
  partitions: PartitionStates,
  resourceVersion?: string,
): LeadershipShard {
  return {
    apiVersion: API_VERSION,
    kind: "LeadershipShard",
    metadata: {
      name: shardName(cluster, 0),
      labels: { [CLUSTER_LABEL]: cluster },
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { cluster },
    status: { partitions },
  };
}

/** Makes a slice's shard if it is not there. */
export async function ensureShard(
  kube: KubeApi,
  namespace: string,
  { cluster, shard }: Pick<PartitionSlice["spec"], "cluster" | "shard">,
): Promise<void> {
  try {
    await kube.create(leadershipShards, namespace, {
      apiVersion: API_VERSION,
      kind: "LeadershipShard",
      metadata: { name: shard, namespace, labels: { [CLUSTER_LABEL]: cluster } },
      spec: { cluster },
    });
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
}

/**
 * Records states of a slice's partitions, in the brokers' stead.
 * @param decidedOn the shard that they were decided on, when what others have recorded since must stay
 * @throws ConflictError when it has changed since
 */
export async function recordStates(
  kube: KubeApi,
  namespace: string,
  { spec }: PartitionSlice,
  states: readonly (PartitionState | undefined)[],
  decidedOn?: LeadershipShard,
): Promise<void> {
  await ensureShard(kube, namespace, spec);
  const own = statesOf(spec.topicId, states, spec.firstPartition);
  const withOwn = (shard: LeadershipShard): LeadershipShard => ({
    ...shard,
    status: { partitions: { ...shard.status?.partitions, ...own } },
  });
  const asStatus = { subresource: "status" } as const;
  if (decidedOn === undefined) {
    await changeObject(kube, leadershipShards, namespace, spec.shard, withOwn, asStatus);
  } else await kube.replace(leadershipShards, namespace, withOwn(decidedOn), asStatus);
}
