import type { Report } from "./report.ts";

/** One batch in one replica's log. */
export interface ObservedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly crc: number;
  /** Of this batch and all before it: two logs that have the same are the same up to here. */
  readonly chain: number;
}

/**
 * R6 at the moment of each append: two replicas that have a batch of one (offset, leader epoch) have the same batch there
 * and agree on everything before it. C3 as well: one leader epoch never has two batches at one offset. L3: offsets
 * go on without a gap.
 */
export class LogMatching {
  readonly #report: Report;
  /** By partition, then by base offset and leader epoch. */
  readonly #known = new Map<string, Map<string, ObservedBatch & { readonly by: string }>>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** @param by names the replica */
  appended(
    where: string,
    by: string,
    before: ObservedBatch | undefined,
    batch: Omit<ObservedBatch, "chain">,
  ): ObservedBatch {
    const { baseOffset, leaderEpoch, crc } = batch;
    let known = this.#known.get(where);
    if (known === undefined) {
      known = new Map();
      this.#known.set(where, known);
    }
    const key = `${String(baseOffset)}/${String(leaderEpoch)}`;
    const there = known.get(key);
    if (before !== undefined && baseOffset !== before.lastOffset + 1) {
      this.#report(
        "L3",
        `${by}: ${String(before.lastOffset)} is followed by ${String(baseOffset)}`,
      );
    }
    if (before !== undefined && leaderEpoch < before.leaderEpoch) {
      this.#report("L3", `${by}@${String(baseOffset)}: an older leader epoch follows`);
    }
    // A log that begins later (its start was raised) has the history of those that have it from the beginning.
    const begun = before === undefined && baseOffset > 0;
    const chain =
      begun && there !== undefined
        ? there.chain
        : mix(mix(mix(before?.chain ?? 0, baseOffset), leaderEpoch), crc);
    const added = { ...batch, chain };
    if (there === undefined) {
      known.set(key, { ...added, by });
      return added;
    }
    const place = `offset ${String(baseOffset)}, leader epoch ${String(leaderEpoch)}`;
    if (there.crc !== crc || there.lastOffset !== batch.lastOffset) {
      this.#report("C3", `${by} and ${there.by} have different batches at ${place}`);
    } else if (there.chain !== chain) {
      this.#report("R6", `${by} and ${there.by} differ somewhere before ${place}`);
    }
    return added;
  }
}

function mix(chain: number, value: number): number {
  let hash = Math.imul(chain ^ value, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
