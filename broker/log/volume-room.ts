import type { Bytes } from "../../lib/units.ts";

export interface VolumeUsage {
  readonly freeBytes: Bytes;
  readonly capacityBytes: Bytes;
}

/**
 * `ample`; `low`: what retention lets go should go now; `short`: clients' appends are refused, so that what is replicated,
 * committed and recovered has the rest, and reads go on.
 */
export type Room = "ample" | "low" | "short";

/** Below this many times the reserve the volume is low. */
const LOW_FACTOR = 2;
/** A short volume is no longer when it has this many times the reserve: it does not come and go with each segment. */
const HEALED_FACTOR = 1.25;

/** What is to be kept free: as asked for, but no more than so large a part of a small volume. */
const LARGEST_SHARE = 0.05;

/** How much room the volume has, by what was last seen of it. (core) */
export class VolumeRoom {
  readonly #reserveBytes: Bytes;
  #room: Room = "ample";

  constructor(reserveBytes: Bytes) {
    this.#reserveBytes = reserveBytes;
  }

  get room(): Room {
    return this.#room;
  }

  /** @returns whether it has changed */
  update({ freeBytes, capacityBytes }: VolumeUsage): boolean {
    const reserve = Math.min(this.#reserveBytes, capacityBytes * LARGEST_SHARE);
    const short = freeBytes < reserve * (this.#room === "short" ? HEALED_FACTOR : 1);
    const before = this.#room;
    this.#room = short ? "short" : freeBytes < reserve * LOW_FACTOR ? "low" : "ample";
    return this.#room !== before;
  }
}
