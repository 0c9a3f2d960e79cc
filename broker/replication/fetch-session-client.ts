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

/** The follower's end of an incremental fetch session (KIP-227): only what changed since the last request is sent. (core) */
export class FetchSessionClient {
  #sessionId = 0;
  #epoch = 0;
  #sent = new Map<string, PartitionFetch>();

  /** @param wanted every partition to be fetched, by key. */
  next(wanted: ReadonlyMap<string, PartitionFetch>): SessionRequest {
    if (this.#sessionId === 0) {
      this.#sent = new Map(wanted);
      return { sessionId: 0, sessionEpoch: 0, fetch: [...wanted.values()], forget: [] };
    }
    const fetch: PartitionFetch[] = [];
    for (const [key, one] of wanted) {
      const sent = this.#sent.get(key);
      if (sent === undefined || !same(sent, one)) fetch.push(one);
    }
    const forget = [...this.#sent].filter(([key]) => !wanted.has(key)).map(([, one]) => one);
    this.#sent = new Map(wanted);
    return { sessionId: this.#sessionId, sessionEpoch: this.#epoch, fetch, forget };
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
    this.#sent = new Map();
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
