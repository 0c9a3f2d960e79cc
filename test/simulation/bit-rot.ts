import { CHECKPOINT } from "../../broker/log/checkpointer.ts";
import { decodeCheckpoint } from "../../broker/log/checkpoints.ts";
import { logKey } from "../../broker/log/volume.ts";
import { batchHeaderAt, batchSizeAt } from "../../broker/protocol/record-batch.ts";
import type { HostedPartition } from "../../broker/replication/types.ts";
import type { Random } from "../../lib/random.ts";
import type { SimCluster } from "./cluster.ts";

/** A batch on stable storage. */
interface Place {
  readonly brokerId: number;
  readonly path: string;
  readonly position: number;
  readonly size: number;
  /** In a segment that is written to, or may be again: see `hot` of `BitRot.strike`. */
  readonly hot: boolean;
  /** How long its file is, if all of it may be damaged. */
  readonly fileBytes: number | undefined;
}

/** One in so many places is not damaged: its file is cut short there. */
const SHORT_EVERY = 3;

/** Base offset and leader epoch are under no checksum, nor is the magic byte: their bits are left alone. */
const LENGTH_FIELD = { from: 8, to: 12 };
const CHECKED_FROM = 17;

/**
 * Bits that turn over on disk: in batches that are committed and on stable storage of another in-sync replica too, and in
 * one replica of a partition at a time; and where a whole volume may be given up for it, only while nothing is damaged on
 * any other. More than that nobody promises to mend.
 */
export class BitRot {
  readonly #cluster: SimCluster;
  /** By `topicId/partition`. */
  readonly #damaged = new Map<string, Place & { readonly bytes: Uint8Array | undefined }>();
  /** Brokers on which a hot place was ever damaged. */
  readonly #hot = new Set<number>();
  count = 0;

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
  }

  /** Something is damaged, as far as is known: then the other replicas are needed. */
  get outstanding(): boolean {
    for (const where of [...this.#damaged.keys()]) if (this.#isDamaged(where)) return true;
    return false;
  }

  /** Whether a start of the broker may have found that its volume is not what it was. */
  mayDisown(id: number): boolean {
    return this.#hot.has(id);
  }

  /**
   * @param hot whether segments count that are written to or that a truncation may make active again: where damage there
   * hides where such a segment ends, a broker that was killed takes its volume for a new one
   * @returns what was damaged, or undefined when there was nothing that might be
   */
  strike(
    id: number,
    random: Random,
    hot: boolean,
  ): { readonly what: string; readonly hot: boolean } | undefined {
    const { broker, process, storage } = this.#cluster.at(id);
    if (broker === undefined || !process.alive) return undefined;
    const beside = this.#damagedBeside(id);
    if (beside.some((place) => place.hot)) return undefined;
    const hosted = [...(broker.replicas?.all() ?? [])];
    for (let tries = 0; tries < hosted.length; tries++) {
      const partition = hosted[random.below(hosted.length)];
      if (partition === undefined) return undefined;
      const where = `${partition.topicId}/${String(partition.partition)}`;
      if (this.#isDamaged(where)) continue;
      const places = this.#places(id, partition).filter(
        (place) => !place.hot || (hot && beside.length === 0),
      );
      const place = places[random.below(Math.max(1, places.length))];
      if (place === undefined) continue;
      if (!place.hot && place.fileBytes !== undefined && random.below(SHORT_EVERY) === 0) {
        const size = place.position + random.below(place.size);
        storage.shorten(place.path, size);
        this.#damaged.set(where, { ...place, bytes: undefined });
        this.count++;
        const what = `${place.path} is cut at ${String(size)} of ${String(place.fileBytes)}`;
        return { what, hot: false };
      }
      const { from, to } = LENGTH_FIELD;
      const within =
        random.below(5) === 0
          ? from + random.below(to - from)
          : CHECKED_FROM + random.below(place.size - CHECKED_FROM);
      storage.corrupt(place.path, place.position + within, 1 << random.below(8));
      const { current } = storage.content(place.path) ?? {};
      const bytes = current?.slice(place.position, place.position + place.size);
      if (bytes === undefined) return undefined;
      this.#damaged.set(where, { ...place, bytes });
      this.count++;
      if (place.hot) this.#hot.add(id);
      const what = `a bit turns over in ${place.path}: the batch at ${String(place.position)}, byte ${String(within)}`;
      return { what, hot: place.hot };
    }
    return undefined;
  }

  /** What is damaged on other brokers. */
  #damagedBeside(id: number): readonly Place[] {
    return [...this.#damaged]
      .filter(([where, { brokerId }]) => brokerId !== id && this.#isDamaged(where))
      .map(([, place]) => place);
  }

  #places(id: number, { topic, partition, topicId, log }: HostedPartition): Place[] {
    const { storage } = this.#cluster.at(id);
    const limit = Math.min(log.highWatermark, this.#stableElsewhere(id, topicId, partition));
    const directory = `${topic}-${String(partition)}/`;
    const files = storage
      .paths()
      .filter((path) => path.startsWith(directory) && path.endsWith(".log"));
    const places: Place[] = [];
    // The last segment is the active one; no truncation goes below the high watermark and makes another one active. A start
    // does: those from the recovery point on are made anew from the journal.
    const recoveryPoint = this.#recoveryPoint(id, topicId, partition);
    const bases = files.map((path) => Number(path.slice(directory.length, -".log".length)));
    for (const [at, path] of files.entries()) {
      const { current, stable } = storage.content(path) ?? {};
      if (current === undefined || stable === undefined) continue;
      const hot = (bases[at + 1] ?? Infinity) >= Math.min(log.highWatermark, recoveryPoint);
      const here: Place[] = [];
      let complete = stable.length === current.length;
      let position = 0;
      while (position < stable.length) {
        const size = batchSizeAt(stable, position);
        if (size === undefined || size <= CHECKED_FROM || position + size > stable.length) break;
        const { lastOffset } = batchHeaderAt(stable, position, size);
        const end = position + size;
        const settled = Buffer.compare(
          stable.subarray(position, end),
          current.subarray(position, end),
        );
        if (lastOffset < limit && settled === 0) {
          here.push({ brokerId: id, path, position, size, hot, fileBytes: stable.length });
        } else complete = false;
        position = end;
      }
      complete &&= position === stable.length;
      places.push(...here.map((place) => (complete ? place : { ...place, fileBytes: undefined })));
    }
    return places;
  }

  /** As the volume has it. */
  #recoveryPoint(id: number, topicId: string, partition: number): number {
    const { logs } = decodeCheckpoint(this.#cluster.at(id).storage.content(CHECKPOINT)?.stable);
    return logs.get(logKey(topicId, partition))?.recoveryPoint ?? 0;
  }

  /** What a live in-sync replica beside this one has on stable storage. */
  #stableElsewhere(id: number, topicId: string, partition: number): number {
    let best = 0;
    for (const { spec, states } of this.#cluster.slices()) {
      if (spec.topicId !== topicId) continue;
      for (const other of states[partition - spec.firstPartition]?.isr ?? []) {
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
    const { current, stable } = storage.content(place.path) ?? {};
    const end = place.position + place.size;
    if (place.bytes === undefined) {
      if (current !== undefined && current.length < (place.fileBytes ?? 0)) return true;
      this.#damaged.delete(where);
      return false;
    }
    for (const bytes of [current, stable]) {
      const there = bytes?.subarray(place.position, end) ?? new Uint8Array(0);
      if (Buffer.compare(there, place.bytes) === 0) return true;
    }
    this.#damaged.delete(where);
    return false;
  }
}
