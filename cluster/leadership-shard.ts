import type { KubeObject } from "../kube/objects.ts";
import type { BrokerId } from "./broker.ts";
import { NO_LEADER, type PartitionSlice, type PartitionState } from "./partition-slice.ts";

/**
 * New partitions go into a shard until it holds this many; those that its topics get later come on top. What a failover
 * costs is writes of whole objects, so few large ones are better than one for each topic
 * (docs/decisions/2026-11-30-leadership-shards.md).
 */
export const PARTITIONS_PER_SHARD = 100;

/**
 * Who leads the partitions of many topics of one cluster: written by brokers only, each record by a compare-and-swap on
 * its own `partitionEpoch`. The operator makes the object, and says in each PartitionSlice which shard is its own.
 */
export interface LeadershipShard extends KubeObject {
  readonly spec: {
    /** Name of the BrokerCluster object. */
    readonly cluster: string;
  };
  readonly status?: {
    /** By `recordKey`. The controller adds the records of new partitions, and takes out those of deleted topics. */
    readonly partitions?: PartitionStates;
  };
}

/**
 * States as `stateText` writes them, by `recordKey`. Text and not objects: what a write costs the API server goes by the
 * number of JSON values in the object, and a state would be a dozen of them.
 */
export type PartitionStates = Readonly<Record<string, string>>;

/** `2/7 isr 0,1,2 #9`: leader 2 in leader epoch 7, in-sync replicas, partition epoch 9; with an ELR `2/7 isr 2 elr 0 #9`. */
export function stateText(state: PartitionState): string {
  const leader = state.leader === NO_LEADER ? NONE : String(state.leader);
  const elr = state.elr.length === 0 ? "" : ` elr ${state.elr.join()}`;
  const isr = state.isr.length === 0 ? NONE : state.isr.join();
  return `${leader}/${String(state.leaderEpoch)} isr ${isr}${elr} #${String(state.partitionEpoch)}`;
}

/** The inverse of `stateText`. Throws for what is none: the resource's schema lets nothing else in. */
export function parseState(text: string): PartitionState {
  const found = TEXT.exec(text);
  if (found === null) throw new Error(`no record of a partition: ${text}`);
  const [, leader = NONE, leaderEpoch, isr = NONE, elr = NONE, partitionEpoch] = found;
  return {
    leader: leader === NONE ? NO_LEADER : Number(leader),
    leaderEpoch: Number(leaderEpoch),
    isr: idsIn(isr),
    elr: idsIn(elr),
    partitionEpoch: Number(partitionEpoch),
  };
}

const NONE = "none";
const TEXT = /^(none|\d+)\/(\d+) isr (none|\d+(?:,\d+)*)(?: elr (\d+(?:,\d+)*))? #(\d+)$/;

function idsIn(list: string): readonly BrokerId[] {
  return list === NONE ? [] : list.split(",").map(Number);
}

/** Under which name a partition's record is kept: a topic id is given once, so it is never another partition's. */
export function recordKey(topicId: string, partition: number): string {
  return `${topicId}.${String(partition)}`;
}

/** The topic that a record is of. */
export function topicIdOf(key: string): string {
  return key.slice(0, key.indexOf("."));
}

/** The partition that a record is of. */
export function partitionOf(key: string): number {
  return Number(key.slice(key.indexOf(".") + 1));
}

/** The path of a partition's record in its shard, for JSON Patch. */
export function recordPath(key: string): string {
  return `/status/partitions/${key}`;
}

/** What shards say of partitions: of each the shard that its slice names, whatever others may have been left with. */
export interface RecordedStates {
  /** @param index in the slice's list */
  of(slice: PartitionSlice, index: number): PartitionState | undefined;
}

/** The records of one namespace's shards as they were listed. */
export function recordedStates(shards: Iterable<LeadershipShard>): RecordedStates {
  const all = new Map(
    [...shards].map(({ metadata, status }) => [metadata.name, status?.partitions]),
  );
  return {
    of: ({ spec }, index) => {
      const key = recordKey(spec.topicId, spec.firstPartition + index);
      const text = all.get(spec.shard)?.[key];
      return text === undefined ? undefined : parseState(text);
    },
  };
}
