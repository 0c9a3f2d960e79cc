import {
  type LeadershipShard,
  parseState,
  partitionOf,
  type PartitionStates,
  recordKey,
  topicIdOf,
} from "../../cluster/leadership-shard.ts";
import type {
  PartitionPlacement,
  PartitionSlice,
  PartitionState,
} from "../../cluster/partition-slice.ts";
import { isOlderVersion } from "../../kube/resource-version.ts";

/** One partition: where its replicas are to live, and who leads it. */
export interface RecordedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Its `recordKey`. */
  readonly key: string;
  /** Name of the PartitionSlice with its placement; undefined if no slice has one (any more). */
  readonly slice: string | undefined;
  /** Name of the LeadershipShard that has, or is to have, its state. */
  readonly shard: string;
  readonly placement: PartitionPlacement;
  /** Missing until the controller has recorded one. */
  readonly state: PartitionState | undefined;
}

export interface SliceImage {
  readonly name: string;
  readonly topic: string;
  readonly topicId: string;
  readonly shard: string;
  readonly resourceVersion: string | undefined;
  /** metadata.generation of the newest copy: it grows with each change of the placement. */
  readonly generation: number;
  readonly partitions: readonly RecordedPartition[];
}

export interface ShardImage {
  readonly name: string;
  /** Of the newest copy. */
  readonly resourceVersion: string | undefined;
  /** Records of the newest copy, by `recordKey`. */
  readonly partitions: PartitionStates;
  /** Whether the newest copy has a map of records at all. */
  readonly hasStatus: boolean;
}

/** What an absorbed copy changed. */
export interface RecordChanges {
  /** Topics of whose partitions something else is known now. */
  readonly topicIds: ReadonlySet<string>;
  readonly changed: readonly RecordedPartition[];
  readonly removed: readonly RecordedPartition[];
}

const NOTHING: RecordChanges = { topicIds: new Set(), changed: [], removed: [] };
const NOWHERE: PartitionPlacement = { replicas: [] };

/**
 * Placements from slices and states from shards, joined by partition, folded from whatever copies arrive in whatever
 * order: a state is replaced only by one of a higher partition epoch, a placement only by one of a newer generation, so
 * that a stale watch event or list can never take the broker back in time. What was known of a partition is kept when its
 * shard is gone: whoever is the controller then puts it back. (core)
 */
export class PartitionRecords {
  readonly slices = new Map<string, SliceImage>();
  readonly shards = new Map<string, ShardImage>();
  readonly #states = new Map<string, { readonly state: PartitionState; readonly shard: string }>();
  readonly #slicesByTopicId = new Map<string, Set<string>>();
  readonly #slicesByShard = new Map<string, Set<string>>();

  /** A partition that a slice has. */
  get(topicId: string, partition: number): RecordedPartition | undefined {
    for (const slice of this.slicesOf(topicId)) {
      const first = slice.partitions[0]?.partition;
      const found = first === undefined ? undefined : slice.partitions[partition - first];
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Like `get`, but also a partition of which only the state is known. */
  recorded(topicId: string, partition: number): RecordedPartition | undefined {
    return this.get(topicId, partition) ?? this.#unplaced(recordKey(topicId, partition));
  }

  /** Partitions of which only the state is known: their topic is gone, or their slice is not there for now. */
  unplaced(): RecordedPartition[] {
    return [...this.#states.keys()].flatMap((key) => {
      const found = this.#unplaced(key);
      return found === undefined || this.get(found.topicId, found.partition) !== undefined
        ? []
        : [found];
    });
  }

  slicesOf(topicId: string): SliceImage[] {
    return namesIn(this.#slicesByTopicId, topicId).flatMap((name) => this.slices.get(name) ?? []);
  }

  /** Partitions that have their states in this shard, or are to have. */
  partitionsOf(shard: string): RecordedPartition[] {
    return namesIn(this.#slicesByShard, shard).flatMap(
      (name) => this.slices.get(name)?.partitions ?? [],
    );
  }

  /** Whether the shard as last seen has the partition's record. */
  isInShard({ shard, key }: RecordedPartition): boolean {
    return this.shards.get(shard)?.partitions[key] !== undefined;
  }

  absorbSlice(object: PartitionSlice): RecordChanges {
    const { spec, metadata } = object;
    const { resourceVersion } = metadata;
    const known = this.slices.get(metadata.name);
    // A topic that was deleted and made again has a slice of the same name and another topic id.
    const before = known?.topicId === spec.topicId ? known : undefined;
    if (before === undefined && isOlderVersion(resourceVersion, known?.resourceVersion)) {
      return NOTHING;
    }
    const left = known === undefined || before !== undefined ? NOTHING : this.#drop(known);
    const generation = metadata.generation ?? 0;
    const stale = before !== undefined && generation < before.generation;
    const changed: RecordedPartition[] = [];
    const partitions = spec.partitions.map((arrived, index): RecordedPartition => {
      const old = before?.partitions[index];
      if (old !== undefined && (stale || samePlacement(old.placement, arrived))) return old;
      const partition = spec.firstPartition + index;
      const key = recordKey(spec.topicId, partition);
      const record: RecordedPartition = {
        topic: spec.topic,
        topicId: spec.topicId,
        partition,
        key,
        slice: metadata.name,
        shard: spec.shard,
        placement: arrived,
        state: this.#states.get(key)?.state,
      };
      changed.push(record);
      return record;
    });
    if (changed.length === 0 && before !== undefined) {
      if (!stale && generation > before.generation) {
        this.slices.set(before.name, { ...before, generation, resourceVersion });
      }
      return left;
    }
    // Slices never shrink: a copy with fewer partitions than known is an old one.
    const kept = before?.partitions.slice(partitions.length) ?? [];
    this.slices.set(metadata.name, {
      name: metadata.name,
      topic: spec.topic,
      topicId: spec.topicId,
      shard: spec.shard,
      resourceVersion: stale ? before.resourceVersion : resourceVersion,
      generation: Math.max(generation, before?.generation ?? 0),
      partitions: [...partitions, ...kept],
    });
    addName(this.#slicesByTopicId, spec.topicId, metadata.name);
    addName(this.#slicesByShard, spec.shard, metadata.name);
    return {
      topicIds: new Set([...left.topicIds, spec.topicId]),
      changed,
      removed: left.removed,
    };
  }

  /** The slice is gone (or its topic was made anew). What is known of its partitions' states stays. */
  removeSlice(name: string, topicId: string): RecordChanges {
    const slice = this.slices.get(name);
    return slice?.topicId === topicId ? this.#drop(slice) : NOTHING;
  }

  absorbShard({ metadata, status }: LeadershipShard): RecordChanges {
    const { name, resourceVersion } = metadata;
    const partitions = status?.partitions ?? {};
    const before = this.shards.get(name);
    const touched = new Set<string>();
    for (const [key, text] of Object.entries(partitions)) {
      if (before?.partitions[key] === text) continue;
      const arrived = parseState(text);
      const known = this.#states.get(key);
      if (known !== undefined && arrived.partitionEpoch <= known.state.partitionEpoch) continue;
      this.#states.set(key, { state: arrived, shard: name });
      touched.add(key);
    }
    if (isOlderVersion(resourceVersion, before?.resourceVersion)) return this.#changes(touched);
    this.shards.set(name, {
      name,
      resourceVersion,
      partitions,
      hasStatus: status?.partitions !== undefined,
    });
    for (const key of Object.keys(before?.partitions ?? {})) {
      if (partitions[key] === undefined && !this.#isPlaced(key)) this.#states.delete(key);
    }
    if (before === undefined) {
      // What waited for it can be recorded now.
      for (const record of this.partitionsOf(name)) {
        if (partitions[record.key] === undefined) touched.add(record.key);
      }
    }
    return this.#changes(touched);
  }

  /** The shard is gone: what its records said is known still, and goes into the one that is made in its place. */
  removeShard(name: string): void {
    this.shards.delete(name);
  }

  /** The records as they are now, of these keys. */
  #changes(keys: ReadonlySet<string>): RecordChanges {
    if (keys.size === 0) return NOTHING;
    const bySlice = new Map<string, Set<number>>();
    for (const key of keys) {
      const record = this.get(topicIdOf(key), partitionOf(key));
      if (record?.slice === undefined) continue;
      const concerned = bySlice.get(record.slice) ?? new Set<number>();
      concerned.add(record.partition);
      bySlice.set(record.slice, concerned);
    }
    const changed: RecordedPartition[] = [];
    const topicIds = new Set<string>();
    for (const [name, concerned] of bySlice) {
      const slice = this.slices.get(name);
      if (slice === undefined) continue;
      topicIds.add(slice.topicId);
      const partitions = slice.partitions.map((record) => {
        if (!concerned.has(record.partition)) return record;
        const next = { ...record, state: this.#states.get(record.key)?.state };
        changed.push(next);
        return next;
      });
      this.slices.set(name, { ...slice, partitions });
    }
    return { topicIds, changed, removed: [] };
  }

  #drop(slice: SliceImage): RecordChanges {
    this.slices.delete(slice.name);
    removeName(this.#slicesByTopicId, slice.topicId, slice.name);
    removeName(this.#slicesByShard, slice.shard, slice.name);
    const recorded = this.shards.get(slice.shard)?.partitions;
    for (const { key } of recorded === undefined ? [] : slice.partitions) {
      if (recorded?.[key] === undefined) this.#states.delete(key);
    }
    return { topicIds: new Set([slice.topicId]), changed: [], removed: slice.partitions };
  }

  #isPlaced(key: string): boolean {
    return this.get(topicIdOf(key), partitionOf(key)) !== undefined;
  }

  #unplaced(key: string): RecordedPartition | undefined {
    const known = this.#states.get(key);
    if (known === undefined) return undefined;
    return {
      topic: "",
      topicId: topicIdOf(key),
      partition: partitionOf(key),
      key,
      slice: undefined,
      shard: known.shard,
      placement: NOWHERE,
      state: known.state,
    };
  }
}

function namesIn(groups: ReadonlyMap<string, ReadonlySet<string>>, key: string): string[] {
  return [...(groups.get(key) ?? [])];
}

function addName(groups: Map<string, Set<string>>, key: string, name: string): void {
  const names = groups.get(key) ?? new Set<string>();
  names.add(name);
  groups.set(key, names);
}

function removeName(groups: Map<string, Set<string>>, key: string, name: string): void {
  const names = groups.get(key);
  names?.delete(name);
  if (names?.size === 0) groups.delete(key);
}

function samePlacement(a: PartitionPlacement, b: PartitionPlacement): boolean {
  return (
    a === b ||
    (a.replicas.join() === b.replicas.join() &&
      (a.adding ?? []).join() === (b.adding ?? []).join() &&
      (a.removing ?? []).join() === (b.removing ?? []).join())
  );
}
