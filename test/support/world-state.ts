import { partitionSlices, topics } from "../../cluster/resources.ts";
import type { Resource } from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { claims, pods } from "../../local/workloads.ts";
import { brokerClusters, brokers } from "../../cluster/resources.ts";
import {
  configMaps,
  networkPolicies,
  podDisruptionBudgets,
  roleBindings,
  roles,
  serviceAccounts,
  services,
  statefulSets,
} from "../../operator/resources/workloads.ts";

/** Whatever has objects to look at. */
export interface Objects {
  all<T extends KubeObject>(resource: Resource<T>): readonly T[];
}

type Any = KubeObject & {
  readonly spec?: unknown;
  readonly data?: unknown;
  readonly rules?: unknown;
};

const KINDS: readonly Resource[] = [
  brokerClusters,
  topics,
  partitionSlices,
  brokers,
  statefulSets,
  pods,
  claims,
  services,
  configMaps,
  serviceAccounts,
  roles,
  roleBindings,
  podDisruptionBudgets,
  networkPolicies,
];
/** What two runs of the same story have differently by right. */
const OWN = new Set(["topicId", "uid", "forebay.dev/topic-id"]);

/**
 * All objects with what was wished of them, without what differs from run to run: ids and times; of partitions how many
 * replicas each has, and how evenly they lie. One line an object.
 */
export function worldState(world: Objects): string[] {
  const lines: string[] = [];
  for (const resource of KINDS) {
    for (const object of world.all<Any>(resource)) {
      const { name, generation } = object.metadata;
      if (resource === partitionSlices) continue;
      const { spec, data, rules } = object;
      const observed = (object as { readonly status?: { readonly observedGeneration?: number } })
        .status?.observedGeneration;
      const seen = observed === undefined || observed === generation ? "" : " not observed";
      lines.push(`${resource.kind} ${name}${seen} ${plain({ spec, data, rules })}`);
    }
  }
  return [...lines, ...placements(world)];
}

function placements(world: Objects): string[] {
  const lines: string[] = [];
  const cluster = new Map<number, number>();
  for (const topic of world.all(topics)) {
    const own = world
      .all(partitionSlices)
      .filter(({ spec }) => spec.topicId === topic.metadata.uid)
      .sort((a, b) => a.spec.firstPartition - b.spec.firstPartition);
    const all = own.flatMap(({ spec }) => spec.partitions);
    const counts = new Map<number, number>();
    for (const id of all.flatMap(({ replicas }) => replicas)) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      cluster.set(id, (cluster.get(id) ?? 0) + 1);
    }
    const slices = own.map(({ metadata, spec }) => `${metadata.name} from ${spec.firstPartition}`);
    const widths = new Set(all.map(({ replicas }) => replicas.length));
    lines.push(
      `partitions of ${topic.metadata.name}: ${all.length} of ${[...widths].join()} replicas in ${slices.join()}, on brokers ${[...counts.keys()].sort().join()}, uneven by ${unevenness(counts) > 1 ? unevenness(counts) : "1 at most"}`,
    );
  }
  return lines;
}

function unevenness(counts: ReadonlyMap<number, number>): number {
  return Math.max(0, ...counts.values()) - Math.min(...counts.values());
}

/** What is there that should not be: without its owner, of a topic that is gone, or twice. */
export function strays(world: Objects): string[] {
  const found: string[] = [];
  const uids = new Set(KINDS.flatMap((one) => world.all(one).map(({ metadata }) => metadata.uid)));
  for (const resource of KINDS) {
    for (const { metadata } of world.all(resource)) {
      const owners = metadata.ownerReferences ?? [];
      if (owners.length > 0 && !owners.some(({ uid }) => uids.has(uid))) {
        found.push(`${resource.kind} ${metadata.name} has no owner any more`);
      }
    }
  }
  const seen = new Set<string>();
  for (const { metadata, spec } of world.all(partitionSlices)) {
    if (!uids.has(spec.topicId)) found.push(`${metadata.name} is of a topic that is gone`);
    for (const at of spec.partitions.keys()) {
      const partition = `${spec.topicId}-${spec.firstPartition + at}`;
      if (seen.has(partition)) found.push(`${partition} is placed twice`);
      seen.add(partition);
    }
  }
  return found;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (key: string, inner: unknown) => {
    if (OWN.has(key)) return undefined;
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(
      Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    );
  });
}
