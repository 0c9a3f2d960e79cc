import type { Storage, StorageFile } from "../../broker/log/storage.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";

/** A disk that writes so many bytes a second, all files together, and takes so long for each sync. */
export interface DiskSpeed {
  readonly bytesPerSecond: number;
  readonly syncMs: number;
}

/** A volume that can be made slow. What is written at once, on the calling thread, is paid for by the next sync. */
export class SlowStorage {
  readonly #inner: Storage;
  #speed: DiskSpeed | undefined;
  /** When the disk will have done all that it was given. */
  #busyUntil = 0;

  constructor(inner: Storage) {
    this.#inner = inner;
  }

  set speed(speed: DiskSpeed | undefined) {
    this.#speed = speed;
    this.#busyUntil = 0;
  }

  get storage(): Storage {
    const inner = this.#inner;
    return {
      journalBlockBytes: inner.journalBlockBytes,
      open: async (path, mode, use) => this.#slow(await inner.open(path, mode, use)),
      list: (directory) => inner.list(directory),
      makeDirectory: (path) => inner.makeDirectory(path),
      rename: (from, to) => inner.rename(from, to),
      remove: (path) => inner.remove(path),
      removeTree: (path) => inner.removeTree(path),
      syncDirectory: (path) => inner.syncDirectory(path),
      ending: (path, bytes) => inner.ending(path, bytes),
      readFile: (path) => inner.readFile(path),
      writeFileAtomic: (path, content) => inner.writeFileAtomic(path, content),
      usage: () => inner.usage(),
    };
  }

  #slow(file: StorageFile): StorageFile {
    return {
      get size() {
        return file.size;
      },
      write: async (position, parts) => {
        await file.write(position, parts);
        await this.#work(parts);
      },
      writeSync: (position, parts) => {
        const done = file.writeSync(position, parts);
        if (done) this.#charge(parts);
        return done;
      },
      read: (position, into) => file.read(position, into),
      sync: async () => {
        await file.sync();
        await this.#work([], this.#speed?.syncMs ?? 0);
      },
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  }

  #charge(parts: readonly Uint8Array[], ms = 0): void {
    if (this.#speed === undefined) return;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const now = realScheduler.now();
    const took = ms + (1000 * bytes) / this.#speed.bytesPerSecond;
    this.#busyUntil = Math.max(now, this.#busyUntil) + took;
  }

  async #work(parts: readonly Uint8Array[], ms = 0): Promise<void> {
    if (this.#speed === undefined) return;
    this.#charge(parts, ms);
    await sleep(realScheduler, this.#busyUntil - realScheduler.now());
  }
}
