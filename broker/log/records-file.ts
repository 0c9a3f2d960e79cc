import type { Millis } from "../../lib/units.ts";
import { RecentWrites } from "./recent-writes.ts";
import type { Storage, StorageFile } from "./storage.ts";

/** Up to so much is copied to the page cache on the loop. */
const LOOP_WRITE_BYTES = 128 * 1024;

/** The records file of a segment: opened when it is needed, closed with its last reader once it is not part of the log. */
export class RecordsFile {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #path: string;
  /** What its name has behind it while the segment is not part of the log yet. */
  #suffix: string;
  #file: StorageFile | undefined;
  #opening: Promise<StorageFile> | undefined;
  /** Bytes in the file. */
  written: number;
  /** Something was written that no sync has covered. */
  dirty = false;
  /** The file's name is on stable storage: of a file that was found too, a crash before its sync may undo it. */
  #named = false;
  /** Readers at work. */
  #holds = 0;
  /** No longer part of the log: closed with the last reader. */
  #retired = false;
  readonly #recent = new RecentWrites();

  /** @param path without the suffix */
  constructor(storage: Storage, directory: string, path: string, written: number, suffix: string) {
    this.#storage = storage;
    this.#directory = directory;
    this.#path = path;
    this.written = written;
    this.#suffix = suffix;
  }

  /** Writes what comes next; `now` by the monotonic clock, for what was checked a moment before. */
  async append(parts: readonly Uint8Array[], bytes: number, now?: Millis): Promise<void> {
    const file = await this.open("create");
    if (now !== undefined) this.#recent.noted(this.written, now);
    const done = bytes <= LOOP_WRITE_BYTES && file.writeSync(this.written, parts);
    if (!done) await file.write(this.written, parts);
    this.written += bytes;
    this.dirty = true;
  }

  /** Writes over what is there, or to the end where that is missing, and syncs it. */
  async overwrite(position: number, bytes: Uint8Array): Promise<void> {
    const file = await this.open("existing");
    await file.write(position, [bytes]);
    await file.sync();
  }

  /** Fills `into` from the file. @returns how much of it, less where the file ends */
  async read(position: number, into: Uint8Array): Promise<number> {
    const file = await this.open("existing");
    return file.read(position, into);
  }

  /** From which position on the checksums need not be looked at: it was written here after `since`, a short time ago. */
  recentFrom(since: Millis): number {
    return this.#recent.from(since);
  }

  async sync(): Promise<void> {
    this.dirty = false;
    await this.#file?.sync();
    if (this.#named) return;
    await this.#storage.syncDirectory(this.#directory);
    this.#named = true;
  }

  /** @param sync at once; otherwise it is dirty */
  async truncate(position: number, sync: boolean): Promise<void> {
    const file = await this.open("create");
    await file.truncate(position);
    if (sync) await file.sync();
    else this.dirty = true;
    this.#recent.clear();
  }

  async open(mode: "create" | "existing"): Promise<StorageFile> {
    if (this.#file !== undefined) return this.#file;
    this.#opening ??= this.#storage.open(this.#path + this.#suffix, mode).finally(() => {
      this.#opening = undefined;
    });
    const opened = await this.#opening;
    return (this.#file ??= opened);
  }

  /** A reader begins: the file stays open until it has called `release`, whatever becomes of the segment. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    if (!this.#retired || this.#holds > 0) return;
    // Nothing is lost with a file that is no longer part of the log.
    this.close().catch(() => undefined);
  }

  /** No longer part of the log: its readers go on with the open file. @returns whether there are any */
  async retire(): Promise<boolean> {
    this.#retired = true;
    const held = this.#holds > 0;
    if (held) await this.open("create");
    else await this.close();
    return held;
  }

  /** Takes the name that is its own. */
  async rename(): Promise<void> {
    const from = this.#path + this.#suffix;
    this.#suffix = "";
    await this.#storage.rename(from, this.#path);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async remove(): Promise<void> {
    await this.#storage.remove(this.#path + this.#suffix);
  }
}
