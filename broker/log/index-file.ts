import { type Ending, readSmall, type Storage } from "./storage.ts";

/** Fewer bytes than these wait for more: an index that lacks its end is read on from the records after a crash. */
const WORTH_WRITING_BYTES = 1024;

/**
 * The file of one sparse index of a segment: entries of a fixed size at its end, in memory until they are worth a write.
 */
export class IndexFile {
  readonly #storage: Storage;
  readonly #path: string;
  readonly #entryBytes: number;
  #pending = new DataView(new ArrayBuffer(0));
  #pendingBytes = 0;
  #fileBytes = 0;
  /** As it was last read. */
  #foundBytes = 0;

  constructor(storage: Storage, path: string, entryBytes: number) {
    this.#storage = storage;
    this.#path = path;
    this.#entryBytes = entryBytes;
  }

  /** Its size when all of it is written. */
  get bytes(): number {
    return this.#fileBytes + this.#pendingBytes;
  }

  /** Appends an entry, which `fill` writes at the given place. */
  push(fill: (view: DataView, at: number) => void): void {
    const at = this.#pendingBytes;
    this.#pendingBytes += this.#entryBytes;
    if (this.#pendingBytes > this.#pending.byteLength) {
      const grown = new Uint8Array(Math.max(this.#entryBytes * 4, 2 * this.#pending.byteLength));
      grown.set(new Uint8Array(this.#pending.buffer));
      this.#pending = new DataView(grown.buffer);
    }
    fill(this.#pending, at);
  }

  /** The file has these bytes, and nothing waits to be written. */
  found(fileBytes: number): void {
    this.#fileBytes = fileBytes;
    this.#pendingBytes = 0;
  }

  /** The content of the file, if there is one. */
  async read(): Promise<Uint8Array | undefined> {
    const content = await readSmall(this.#storage, this.#path);
    this.#foundBytes = content?.length ?? 0;
    return content;
  }

  /** How long the file is, if there is one, and its last bytes. */
  ending(bytes: number): Promise<Ending | undefined> {
    return this.#storage.ending(this.#path, bytes);
  }

  /** Removes the file and what waits to be written. */
  async clear(): Promise<void> {
    await this.#storage.remove(this.#path);
    this.found(0);
  }

  /** Cuts the file here if it is longer than that, as it was read: only what comes before is believed. */
  async cut(fileBytes: number): Promise<void> {
    if (this.#foundBytes > fileBytes) {
      const file = await this.#storage.open(this.#path, "existing");
      try {
        await file.truncate(fileBytes);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    this.found(fileBytes);
  }

  /**
   * Writes what is new.
   * @param all of it, not only when it is much
   * @param sealed nothing more comes: what such a file says is believed after a crash, so that it is synced
   */
  async writeOut(all: boolean, sealed: boolean): Promise<void> {
    const bytes = this.#pendingBytes;
    if (sealed ? this.bytes === 0 : bytes === 0 || (!all && bytes < WORTH_WRITING_BYTES)) return;
    const content = new Uint8Array(this.#pending.buffer, 0, bytes);
    const at = this.#fileBytes;
    this.#pending = new DataView(new ArrayBuffer(0));
    this.#pendingBytes = 0;
    const file = await this.#storage.open(this.#path, "create");
    try {
      if (bytes > 0) await file.write(at, [content]);
      this.#fileBytes = at + bytes;
      if (sealed) await file.sync();
    } finally {
      await file.close();
    }
  }
}
