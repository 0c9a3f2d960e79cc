import { batchHeaderAt, batchSizeAt, crcMatches } from "../../broker/protocol/record-batch.ts";
import type { HostedPartition } from "../../broker/replication/types.ts";
import type { Random } from "../../lib/random.ts";
import type { SimCluster } from "./cluster.ts";

/** A batch in a closed segment. */
interface Place {
  readonly brokerId: number;
  readonly path: string;
  readonly position: number;
  readonly size: number;
  readonly lastOffset: number;
}

/** Base offset and leader epoch are under no checksum, nor is the magic byte: their bits are left alone. */
const LENGTH_FIELD = { from: 8, to: 12 };
const CHECKED_FROM = 17;

/**
 * Bits that turn over on disk: in batches of segments that are closed for good,
 * that are committed and on stable storage of another in-sync
 * replica too, and in one replica of a partition at a time. More than that nobody promises to mend.
 */
export class BitRot {
  readonly #cluster: SimCluster;
  /** By `topicId/partition`. */
  readonly #damaged = new Map<string, Place>();
  count = 0;

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
  }

  /** Something is damaged, as far as is known: then the other replicas are needed. */
  get outstanding(): boolean {
    for (const where of [...this.#damaged.keys()]) if (this.#isDamaged(where)) return true;
    return false;
  }

  /** @returns what was damaged, or undefined when there was nothing that might be */
  strike(id: number, random: Random): string | undefined {
    const { broker, process, storage } = this.#cluster.at(id);
    if (broker === undefined || !process.alive) return undefined;
    const hosted = [...(broker.replicas?.all() ?? [])];
    for (let tries = 0; tries < hosted.length; tries++) {
      const partition = hosted[random.below(hosted.length)];
      if (partition === undefined) return undefined;
      const where = `${partition.topicId}/${String(partition.partition)}`;
      if (this.#isDamaged(where)) continue;
      const places = this.#places(id, partition);
      const place = places[random.below(Math.max(1, places.length))];
      if (place === undefined) continue;
      const { from, to } = LENGTH_FIELD;
      const within =
        random.below(5) === 0
          ? from + random.below(to - from)
          : CHECKED_FROM + random.below(place.size - CHECKED_FROM);
      storage.corrupt(place.path, place.position + within, 1 << random.below(8));
      this.#damaged.set(where, place);
      this.count++;
      return `${place.path}: the batch at ${String(place.position)}, byte ${String(within)}`;
    }
    return undefined;
  }

  #places(id: number, { topic, partition, topicId, log }: HostedPartition): Place[] {
    const { storage } = this.#cluster.at(id);
    const limit = Math.min(log.highWatermark, this.#stableElsewhere(id, topicId, partition));
    const directory = `${topic}-${String(partition)}/`;
    const files = storage
      .paths()
      .filter((path) => path.startsWith(directory) && path.endsWith(".log"));
    const places: Place[] = [];
    // The last segment is the active one; no truncation goes below the high watermark and makes another one active.
    const bases = files.map((path) => Number(path.slice(directory.length, -".log".length)));
    const cold = files.filter((_path, at) => (bases[at + 1] ?? Infinity) < log.highWatermark);
    for (const path of cold) {
      const bytes = storage.settled(path) ?? new Uint8Array(0);
      for (let position = 0; position < bytes.length;) {
        const size = batchSizeAt(bytes, position);
        if (size === undefined || size <= CHECKED_FROM || position + size > bytes.length) break;
        const { lastOffset } = batchHeaderAt(bytes, position, size);
        if (lastOffset < limit) places.push({ brokerId: id, path, position, size, lastOffset });
        position += size;
      }
    }
    return places;
  }

  /** What a live in-sync replica beside this one has on stable storage. */
  #stableElsewhere(id: number, topicId: string, partition: number): number {
    let best = 0;
    for (const { spec, status } of this.#cluster.slices()) {
      if (spec.topicId !== topicId) continue;
      for (const other of status?.partitions?.[partition - spec.firstPartition]?.isr ?? []) {
        if (other === id || this.#cluster.at(other).volumeLost) continue;
        const log = this.#cluster.at(other).broker?.replicas?.byTopicId(topicId, partition)?.log;
        best = Math.max(best, log?.stableOffset ?? 0);
      }
    }
    return best;
  }

  /** Until the place is whole again, or gone. */
  #isDamaged(where: string): boolean {
    const place = this.#damaged.get(where);
    if (place === undefined) return false;
    const { storage } = this.#cluster.at(place.brokerId);
    const bytes = storage.settled(place.path);
    if (bytes !== undefined) {
      const batch = bytes.subarray(place.position, place.position + place.size);
      const whole =
        batchSizeAt(batch, 0) === place.size &&
        batch.length === place.size &&
        crcMatches(batch, batchHeaderAt(batch, 0, place.size));
      if (!whole) return true;
    } else if (storage.paths().includes(place.path)) return true;
    this.#damaged.delete(where);
    return false;
  }
}
