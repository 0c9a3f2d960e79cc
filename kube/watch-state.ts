import type { Random } from "../lib/random.ts";
import type { Millis } from "../lib/units.ts";
import type { ObjectList, WatchEvent } from "./api.ts";
import type { KubeObject } from "./objects.ts";
import { isOlderVersion } from "./resource-version.ts";

/** One difference between the view before and after. */
export interface Change<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** For DELETED: the last state known. */
  readonly object: T;
  /** The state before; absent for ADDED. */
  readonly old?: T;
}

/** What the runner must do next. `attempt` is returned with the answer; answers of older attempts are ignored. */
export type WatchStep =
  | { readonly kind: "list"; readonly attempt: number }
  | { readonly kind: "watch"; readonly attempt: number; readonly resourceVersion: string }
  | { readonly kind: "wait"; readonly attempt: number; readonly delay: Millis };

const FIRST_BACKOFF_MS: Millis = 50;
const LONGEST_BACKOFF_MS: Millis = 5_000;
const LONGEST_RETRY_AFTER_MS: Millis = 60_000;
/** Some one and a half minutes of lists that are older than what is known: then the API's store was put back, and they are true. */
const OLD_LISTS_REFUSED = 20;

/**
 * The cached view of one kind of object, kept by list, watch, bookmark and, after 410 Gone, relist (Kubernetes API
 * concepts, "Efficient detection of changes"). Reads no clock and does no I/O: answers go in, changes and the next step
 * come out. A relist yields only the differences from what was known, including what is gone. Time goes one way: lists and
 * events that are older than what is known are of no account, whoever answered them.
 */
export class WatchState<T extends KubeObject> {
  readonly #items = new Map<string, T>();
  readonly #keyOf: (object: T) => string;
  readonly #random: Random;
  #resourceVersion: string | undefined;
  #newest: string | undefined;
  #oldLists = 0;
  #attempt = 0;
  #failures = 0;

  /** @param namespaced whether all objects are of one namespace: then the key is the name, else `namespace/name`. */
  constructor(namespaced: boolean, random: Random) {
    this.#keyOf = (object) => objectKey(object, namespaced);
    this.#random = random;
  }

  get items(): ReadonlyMap<string, T> {
    return this.#items;
  }

  /** The first step, and the next after a wait: list when nothing is known, else watch from where we are. */
  next(): WatchStep {
    const attempt = ++this.#attempt;
    return this.#resourceVersion === undefined
      ? { kind: "list", attempt }
      : { kind: "watch", attempt, resourceVersion: this.#resourceVersion };
  }

  /** Whether an answer to `attempt` still counts. */
  isCurrent(attempt: number): boolean {
    return attempt === this.#attempt;
  }

  /** The version up to which the view is known to be complete; undefined before the first list. */
  get newest(): string | undefined {
    return this.#newest;
  }

  /** Whether a list is older than what is known: then it counts as a failure. */
  refuses(list: ObjectList<T>): boolean {
    const old = isOlderVersion(list.resourceVersion, this.#newest);
    if (old && this.#oldLists < OLD_LISTS_REFUSED) {
      this.#oldLists++;
      return true;
    }
    this.#oldLists = 0;
    return false;
  }

  /** A full list came: @returns the differences, in the order of the list and then what is gone. */
  listed(list: ObjectList<T>): readonly Change<T>[] {
    const changes: Change<T>[] = [];
    const seen = new Set<string>();
    for (const object of list.items) {
      const key = this.#keyOf(object);
      seen.add(key);
      const change = this.#put(key, object);
      if (change !== undefined) changes.push(change);
    }
    for (const [key, old] of this.#items) {
      if (seen.has(key)) continue;
      this.#items.delete(key);
      changes.push({ type: "DELETED", object: old, old });
    }
    this.#resourceVersion = list.resourceVersion;
    this.#newest = list.resourceVersion;
    return changes;
  }

  /** An event of the watch came: @returns the change, or undefined when there is none (bookmark, known already). */
  observed(event: WatchEvent<T>): Change<T> | undefined {
    this.#failures = 0;
    const version =
      event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
    if (isOlderVersion(version, this.#newest)) return undefined;
    this.#resourceVersion = version ?? this.#resourceVersion;
    this.#newest = version ?? this.#newest;
    if (event.type === "BOOKMARK") return undefined;
    const key = this.#keyOf(event.object);
    if (event.type !== "DELETED") return this.#put(key, event.object);
    const old = this.#items.get(key);
    if (old === undefined) return undefined;
    this.#items.delete(key);
    return { type: "DELETED", object: event.object, old };
  }

  /** The server ended the watch in order: watch on from the last version seen. */
  ended(): WatchStep {
    return this.#again();
  }

  /** The version we watch from is no longer in the history (410): list again, without forgetting what we know. */
  expired(): WatchStep {
    this.#resourceVersion = undefined;
    return this.#again();
  }

  /**
   * A list or a watch failed: wait with jittered exponential back-off, 50 ms up to 5 s, and no less than the server asked
   * for (but at most a minute).
   */
  failed(retryAfter: Millis = 0): WatchStep {
    this.#failures++;
    return this.#wait(Math.min(retryAfter, LONGEST_RETRY_AFTER_MS));
  }

  /** One end is normal; repeated ones without an event between them are paced like failures. */
  #again(): WatchStep {
    return this.#failures++ === 0 ? this.next() : this.#wait();
  }

  #wait(atLeast: Millis = 0): WatchStep {
    const ceiling = Math.min(
      LONGEST_BACKOFF_MS,
      FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures - 1, 10),
    );
    const delay = ceiling / 2 + (this.#random.next() * ceiling) / 2;
    return {
      kind: "wait",
      attempt: ++this.#attempt,
      // Spread beyond what was asked for, so that not all clients come back at the same moment.
      delay: Math.max(FIRST_BACKOFF_MS / 2, delay, atLeast + delay / 10),
    };
  }

  #put(key: string, object: T): Change<T> | undefined {
    const old = this.#items.get(key);
    this.#items.set(key, object);
    if (old === undefined) return { type: "ADDED", object };
    if (
      old.metadata.resourceVersion === object.metadata.resourceVersion &&
      old.metadata.uid === object.metadata.uid
    ) {
      return undefined;
    }
    return { type: "MODIFIED", object, old };
  }
}

/** The name, or `namespace/name` when objects of several namespaces are in one view. */
export function objectKey(object: KubeObject, namespaced: boolean): string {
  const { namespace, name } = object.metadata;
  return namespaced || namespace === undefined ? name : `${namespace}/${name}`;
}
