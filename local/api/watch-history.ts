import type { KubeObject } from "../../kube/objects.ts";
import { statusError } from "./status-errors.ts";
import type { ObjectFilter } from "./selectors.ts";

/** One write as watchers see it. Objects are never changed after they are stored. */
export interface StoreChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** `group/plural` of the object. */
  readonly resource: string;
  readonly revision: number;
  /** The state after; for DELETED the last state, with the revision of the deletion. */
  readonly object: KubeObject;
  readonly old?: KubeObject;
}

/** What a watch with a selector sees of a change: an object that stops matching is DELETED for it. */
export function seenThrough(
  change: StoreChange,
  filter: ObjectFilter,
): { readonly type: StoreChange["type"]; readonly object: KubeObject } | undefined {
  const before = change.old !== undefined && filter(change.old);
  const after = change.type !== "DELETED" && filter(change.object);
  if (change.type === "DELETED")
    return before ? { type: "DELETED", object: change.object } : undefined;
  if (after) return { type: before ? "MODIFIED" : "ADDED", object: change.object };
  if (!before || change.old === undefined) return undefined;
  const resourceVersion = String(change.revision);
  const { metadata } = change.old;
  return { type: "DELETED", object: { ...change.old, metadata: { ...metadata, resourceVersion } } };
}

/** The last writes, bounded by count: what a watch may start from. */
export class WatchHistory {
  readonly #limit: number;
  #changes: StoreChange[] = [];
  /** All changes after this revision are kept. */
  #floor = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(change: StoreChange): void {
    this.#changes.push(change);
    // Dropping half at a time keeps the cost of dropping constant per write.
    if (this.#changes.length > this.#limit * 2) this.trim(this.#limit);
  }

  /** Keeps only the newest `count` changes. */
  trim(count: number): void {
    const dropped = this.#changes.length - count;
    if (dropped <= 0) return;
    this.#floor = this.#changes[dropped - 1]?.revision ?? this.#floor;
    this.#changes = this.#changes.slice(dropped);
  }

  /** Forgets all, as after a restart at `revision`. */
  reset(revision: number): void {
    this.#changes = [];
    this.#floor = revision;
  }

  /** The changes after `revision`, oldest first. @throws GoneError when some of them are no longer kept. */
  after(revision: number): readonly StoreChange[] {
    if (revision < this.#floor) {
      throw statusError(
        410,
        "Expired",
        `too old resource version: ${String(revision)} (${String(this.#floor)})`,
      );
    }
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#changes.slice(low);
  }
}
