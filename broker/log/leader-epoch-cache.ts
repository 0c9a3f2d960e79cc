import type { EpochEnd, Offset } from "./types.ts";

interface EpochStart {
  readonly epoch: number;
  readonly startOffset: Offset;
}

/** Leader epochs and where each begins in this log (KIP-101, KIP-279); both grow together. (core) */
export class LeaderEpochCache {
  #entries: EpochStart[] = [];

  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  entries(): readonly EpochStart[] {
    return this.#entries;
  }

  /** Notes that `epoch` begins at `startOffset`. @returns whether that was news. */
  assign(epoch: number, startOffset: Offset): boolean {
    const last = this.#entries.at(-1);
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return false;
    // What a newer epoch contradicts was never committed: entries at or above either coordinate go (KIP-279).
    const kept = this.#entries.filter((one) => one.epoch <= epoch && one.startOffset < startOffset);
    // An epoch that had begun here without records does not end the one before, which this record goes on with.
    this.#entries = kept.at(-1)?.epoch === epoch ? kept : [...kept, { epoch, startOffset }];
    return true;
  }

  /** A record batch of `epoch` lies at these offsets, so no other epoch begins there. @returns whether that was news. */
  confirm(epoch: number, baseOffset: Offset, lastOffset: Offset): boolean {
    const kept = this.#entries.filter(
      (one) => one.epoch === epoch || one.startOffset < baseOffset || one.startOffset > lastOffset,
    );
    if (kept.length === this.#entries.length) return false;
    this.#entries = kept;
    return true;
  }

  /** Largest known epoch at or below `epoch` and where it ends; offset -1 when `epoch` is above all known. */
  endOf(epoch: number, logEndOffset: Offset): EpochEnd {
    const last = this.#entries.at(-1);
    if (last === undefined || epoch > last.epoch || epoch < 0) {
      return { leaderEpoch: -1, endOffset: -1 };
    }
    if (epoch === last.epoch) return { leaderEpoch: epoch, endOffset: logEndOffset };
    const above = this.#entries.findIndex((one) => one.epoch > epoch);
    const endOffset = this.#entries[above]?.startOffset ?? logEndOffset;
    const floor = this.#entries[above - 1];
    return { leaderEpoch: floor?.epoch ?? epoch, endOffset };
  }

  /** The epoch of the record at `offset`, -1 when unknown. */
  epochAt(offset: Offset): number {
    let epoch = -1;
    for (const one of this.#entries) if (one.startOffset <= offset) epoch = one.epoch;
    return epoch;
  }

  /** The log now ends at `offset`: epochs that begin at or after it are gone. */
  truncateFromEnd(offset: Offset): void {
    this.#entries = this.#entries.filter((one) => one.startOffset < offset);
  }

  /** The log now starts at `offset`: the epoch it lies in begins there. */
  truncateFromStart(offset: Offset): void {
    const before = this.#entries.filter((one) => one.startOffset <= offset);
    const after = this.#entries.filter((one) => one.startOffset > offset);
    const floor = before.at(-1);
    this.#entries =
      floor === undefined ? after : [{ epoch: floor.epoch, startOffset: offset }, ...after];
  }

  clear(): void {
    this.#entries = [];
  }

  /** Kafka's `leader-epoch-checkpoint` file: version, count, then a line an epoch. */
  encode(): Uint8Array {
    const lines = this.#entries.map((one) => `${String(one.epoch)} ${String(one.startOffset)}`);
    return Buffer.from(["0", String(lines.length), ...lines].join("\n") + "\n");
  }

  static decode(content: Uint8Array | undefined): LeaderEpochCache {
    const cache = new LeaderEpochCache();
    if (content === undefined) return cache;
    for (const line of Buffer.from(content).toString().split("\n").slice(2)) {
      const [epoch, offset] = line.split(" ").map(Number);
      if (epoch !== undefined && offset !== undefined) cache.assign(epoch, offset);
    }
    return cache;
  }
}
