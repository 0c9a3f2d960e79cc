import type { FetchPartition } from "./fetch-session.ts";
import type { Millis } from "../lib/units.ts";

/** Calls back when a partition's log end, high watermark or role moved, until the returned function is called. */
export type WatchPartition = (
  topicId: string,
  partition: number,
  listener: () => void,
) => () => void;

/**
 * Which partitions of a follower's fetch session have moved, or have something that the follower was not told yet. A
 * broker leads thousands that are at rest: what a fetch costs goes by those that are not. (core)
 */
export class SessionMoves {
  readonly #watch: WatchPartition;
  readonly #allAfterMs: Millis;
  /** By key of the session: how to stop watching. */
  readonly #stops = new Map<string, () => void>();
  /** Since they were looked at last. */
  readonly #moved = new Set<string>();
  /** Looked at, and not told yet. */
  readonly #owed = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #endings: (() => void)[] = [];
  #allAt: Millis = -Infinity;
  #ended = false;

  /** @param allAfterMs all partitions are looked at again after this long, whatever was heard of them */
  constructor(watch: WatchPartition, allAfterMs: Millis) {
    this.#watch = watch;
    this.#allAfterMs = allAfterMs;
  }

  /** Something has moved since it was looked at last. */
  get some(): boolean {
    return this.#moved.size > 0;
  }

  /** The follower asks for it, anew or from another offset: it is to be looked at. */
  asked(key: string, { topicId, partition }: FetchPartition): void {
    this.#moved.add(key);
    if (this.#stops.has(key)) return;
    const stop = this.#watch(topicId, partition, () => {
      this.#moved.add(key);
      for (const listener of [...this.#listeners]) listener();
    });
    this.#stops.set(key, stop);
  }

  forgot(key: string): void {
    this.#stops.get(key)?.();
    this.#stops.delete(key);
    this.#moved.delete(key);
    this.#owed.delete(key);
  }

  /** Whether it is time to look at all partitions: what moves without a sign is found then, and lag is counted anew. */
  allDue(now: Millis): boolean {
    if (now - this.#allAt < this.#allAfterMs) return false;
    this.#allAt = now;
    this.#moved.clear();
    return true;
  }

  /** What is to be looked at now. */
  take(): readonly string[] {
    const keys = [...this.#owed];
    for (const key of this.#moved) if (!this.#owed.has(key)) keys.push(key);
    this.#moved.clear();
    return keys;
  }

  /** What a look at it has found: something that the follower has yet to be told, or nothing. */
  owe(key: string, something: boolean): void {
    if (something && this.#stops.has(key)) this.#owed.add(key);
    else this.#owed.delete(key);
  }

  /** Calls back whenever something moves, until the returned function is called. */
  whenMoved(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called when the session has ended. */
  onEnd(ending: () => void): void {
    if (this.#ended) ending();
    else this.#endings.push(ending);
  }

  end(): void {
    this.#ended = true;
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#moved.clear();
    this.#owed.clear();
    for (const ending of this.#endings.splice(0)) ending();
  }
}
