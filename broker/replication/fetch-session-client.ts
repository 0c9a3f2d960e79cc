import type { Offset } from "../log/types.ts";

/** What a follower asks of one partition. */
export interface PartitionFetch {
  readonly topicId: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: Offset;
}

/** The part of a Fetch request that a session decides. */
export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly fetch: readonly PartitionFetch[];
  readonly forget: readonly { readonly topicId: string; readonly partition: number }[];
}

const MAX_SESSION_EPOCH = 2 ** 31 - 1;

/**
 * The follower's end of an incremental fetch session (KIP-227): only what changed since the last request is sent, and only
 * what may have changed is looked at. (core)
 */
export class FetchSessionClient {
  #sessionId = 0;
  #epoch = 0;
  /** What is asked for, by key; the session's partitions once the next request was sent. */
  readonly #asked = new Map<string, PartitionFetch>();
  /** Asked for since the last request, and no more asked for, though the session has it. */
  readonly #fetch = new Map<string, PartitionFetch>();
  readonly #forget = new Map<string, PartitionFetch>();

  /** Partitions that are asked for. */
  get size(): number {
    return this.#asked.size;
  }

  /** What is asked of a partition. */
  asked(key: string): PartitionFetch | undefined {
    return this.#asked.get(key);
  }

  /** From the next request on a partition is asked for so, or not at all. */
  ask(key: string, one: PartitionFetch | undefined): void {
    const before = this.#asked.get(key);
    if (one === undefined) {
      if (before === undefined) return;
      this.#asked.delete(key);
      this.#fetch.delete(key);
      this.#forget.set(key, before);
      return;
    }
    if (before !== undefined && same(before, one)) return;
    this.#asked.set(key, one);
    this.#fetch.set(key, one);
    this.#forget.delete(key);
  }

  next(): SessionRequest {
    const isNew = this.#sessionId === 0;
    const fetch = [...(isNew ? this.#asked : this.#fetch).values()];
    const forget = isNew ? [] : [...this.#forget.values()];
    this.#fetch.clear();
    this.#forget.clear();
    return { sessionId: this.#sessionId, sessionEpoch: isNew ? 0 : this.#epoch, fetch, forget };
  }

  /** The answer had no error of its own: the session goes on, or the other side declined one (id 0). */
  answered(sessionId: number): void {
    if (sessionId === 0) this.reset();
    else {
      this.#epoch =
        sessionId !== this.#sessionId ? 1 : this.#epoch === MAX_SESSION_EPOCH ? 1 : this.#epoch + 1;
      this.#sessionId = sessionId;
    }
  }

  /** The connection or the session was lost: begin again with all partitions. */
  reset(): void {
    this.#sessionId = 0;
    this.#epoch = 0;
  }
}

function same(a: PartitionFetch, b: PartitionFetch): boolean {
  return (
    a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.lastFetchedEpoch === b.lastFetchedEpoch &&
    a.logStartOffset === b.logStartOffset
  );
}
