import { ProducerState } from "./producer-state.ts";
import { segmentName } from "./segment.ts";
import type { Storage } from "./storage.ts";
import type { Offset } from "./types.ts";

/** The last one may be torn: then the one before it counts. */
const KEPT = 2;

/** The files of one log that have its producers' state at an offset, under Kafka's names. */
export class ProducerSnapshots {
  readonly #storage: Storage;
  readonly #directory: string;

  constructor(storage: Storage, directory: string) {
    this.#storage = storage;
    this.#directory = directory;
  }

  /** Torn or missing it is passed over for an older one, so it is not synced by itself. */
  async write(offset: Offset, content: Uint8Array): Promise<void> {
    const file = await this.#storage.open(this.#path(offset), "create");
    try {
      await file.write(0, [content]);
    } finally {
      await file.close();
    }
    const there = await this.#offsets();
    for (const old of there.slice(0, -KEPT)) await this.#storage.remove(this.#path(old));
  }

  /** The newest whole one at or before an offset, if there is any. */
  async newest(
    upTo: Offset,
  ): Promise<{ readonly at: Offset; readonly producers: ProducerState } | undefined> {
    for (const at of (await this.#offsets()).reverse()) {
      if (at > upTo) continue;
      const content = await this.#storage.readFile(this.#path(at));
      const producers = content === undefined ? undefined : ProducerState.decode(content);
      if (producers !== undefined) return { at, producers };
    }
    return undefined;
  }

  /** Removes those of offsets above this one. */
  async removeAbove(offset: Offset): Promise<void> {
    for (const at of await this.#offsets()) {
      if (at > offset) await this.#storage.remove(this.#path(at));
    }
  }

  async #offsets(): Promise<Offset[]> {
    const names = await this.#storage.list(this.#directory);
    return names
      .filter((name) => name.endsWith(".snapshot"))
      .map((name) => Number(name.slice(0, 20)))
      .filter((offset) => Number.isSafeInteger(offset))
      .sort((a, b) => a - b);
  }

  #path(offset: Offset): string {
    return `${this.#directory}/${segmentName(offset)}.snapshot`;
  }
}
