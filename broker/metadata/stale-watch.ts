import type { Millis } from "../../lib/units.ts";

/** Kinds of objects whose versions brokers tell each other, in this order. */
export const TOLD_KINDS = ["shards", "slices", "brokers", "topics"] as const;

/** The newest resourceVersion of any object of a kind that this broker, or another one that told it, has seen; 0 at first. */
export type NewestVersions = Readonly<Record<(typeof TOLD_KINDS)[number], number>>;

export const NOTHING_SEEN: NewestVersions = { shards: 0, slices: 0, brokers: 0, topics: 0 };

/** As heartbeats carry them. */
export function listed(newest: NewestVersions): number[] {
  return TOLD_KINDS.map((kind) => newest[kind]);
}

/** The inverse of `listed`; nothing of kinds that the other side does not tell of. */
export function fromList(versions: readonly number[]): NewestVersions {
  const [shards = 0, slices = 0, brokers = 0, topics = 0] = versions;
  return { shards, slices, brokers, topics };
}

/** Between the answer to a write and its event; twice as long after each attempt to catch up that came to nothing. */
const PATIENCE_MS: Millis = 1000;
const LONGEST_PATIENCE_MS: Millis = 60_000;
/** So often a watch is to be looked at. */
export const STALE_WATCH_LOOK_MS: Millis = 250;

/**
 * Tells when a watch brings nothing any more: the cluster knows of a version that it should have brought a while ago. A
 * connection that is dead at its other end is otherwise noticed only by the absence of bookmarks, after minutes. (core)
 */
export class StaleWatch {
  #behindSince: Millis | undefined;
  #position = 0;
  #patience = PATIENCE_MS;

  /**
   * @param position the version up to which the watch has brought everything
   * @param known the newest version that any broker has seen
   * @returns whether to list again
   */
  look(position: number, known: number, now: Millis): boolean {
    if (position >= known) {
      this.#behindSince = undefined;
      this.#patience = PATIENCE_MS;
      return false;
    }
    // One that brings something is late, because API server or broker have much to do: lists would be more of that.
    if (position !== this.#position) this.#behindSince = now;
    this.#position = position;
    this.#behindSince ??= now;
    if (now - this.#behindSince < this.#patience) return false;
    this.#behindSince = now;
    this.#patience = Math.min(2 * this.#patience, LONGEST_PATIENCE_MS);
    return true;
  }
}
