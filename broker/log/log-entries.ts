import type { Extent } from "./arena.ts";
import type { JournalClient } from "./journal.ts";
import { EntryKind } from "./journal-format.ts";
import type { LogContext } from "./log-context.ts";
import type { LogIdentity, Offset } from "./types.ts";

/** What changes a log beside what is appended to it. */
export type MarkKind = (typeof EntryKind)[Exclude<keyof typeof EntryKind, "append">];

const NO_PAYLOAD = new Uint8Array(0);

/** What one log tells the journal; while the journal is replayed, nothing but what comes behind it. */
export class LogEntries {
  readonly #context: LogContext;
  readonly #topicId: Uint8Array;
  readonly #partition: number;
  readonly #client: JournalClient;

  constructor(
    context: LogContext,
    topicId: Uint8Array,
    { partition }: LogIdentity,
    client: JournalClient,
  ) {
    this.#context = context;
    this.#topicId = topicId;
    this.#partition = partition;
    this.#client = client;
  }

  /**
   * A batch at `offset`, which `fill` writes to its place.
   * @param endOffset of the log with it
   * @returns where it is
   */
  append(
    offset: Offset,
    size: number,
    fill: (bytes: Uint8Array, at: number) => void,
    endOffset: Offset,
  ): { readonly extent: Extent; readonly payloadAt: number } {
    return this.#entry(EntryKind.append, offset, size, fill, endOffset);
  }

  /** Something else that changes the log there; nothing while that is read from the journal. */
  mark(kind: MarkKind, offset: Offset, endOffset: Offset, payload: Uint8Array = NO_PAYLOAD): void {
    if (this.#context.replaying()) return;
    const fill = (bytes: Uint8Array, at: number): void => bytes.set(payload, at);
    this.#entry(kind, offset, payload.length, fill, endOffset);
  }

  #entry(
    kind: MarkKind | typeof EntryKind.append,
    offset: Offset,
    size: number,
    fill: (bytes: Uint8Array, at: number) => void,
    endOffset: Offset,
  ): { readonly extent: Extent; readonly payloadAt: number } {
    const head = { kind, topicId: this.#topicId, partition: this.#partition, offset };
    return this.#context.journal.append(head, size, fill, this.#client, endOffset);
  }
}
