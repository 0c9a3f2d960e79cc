import fs from "node:fs";
import path from "node:path";
import { totalLength } from "../../lib/bytes.ts";
import { type Storage, StorageError, type StorageFile } from "./storage.ts";

/** A volume that is a folder of this machine (edge). The folder is made if need be. */
export async function createFileStorage(root: string): Promise<Storage> {
  await attempt(fs.promises.mkdir(root, { recursive: true }));
  return new FileStorage(root);
}

class FileStorage implements Storage {
  readonly #root: string;
  /** Syncs of folders that have begun, and those that wait for them. */
  readonly #runningSyncs = new Map<string, Promise<void>>();
  readonly #nextSyncs = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  #path(name: string): string {
    return path.join(this.#root, name);
  }

  async open(name: string, mode: "create" | "existing"): Promise<StorageFile> {
    const flags = fs.constants.O_RDWR | (mode === "create" ? fs.constants.O_CREAT : 0);
    const handle = await attempt(fs.promises.open(this.#path(name), flags, 0o644));
    const { size } = await attempt(handle.stat());
    return new OpenFile(handle, size);
  }

  async list(directory: string): Promise<readonly string[]> {
    try {
      return (await fs.promises.readdir(this.#path(directory))).sort();
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw storageError(error);
    }
  }

  async makeDirectory(name: string): Promise<void> {
    await attempt(fs.promises.mkdir(this.#path(name), { recursive: true }));
  }

  async rename(from: string, to: string): Promise<void> {
    await attempt(fs.promises.rename(this.#path(from), this.#path(to)));
  }

  async remove(name: string): Promise<void> {
    await attempt(fs.promises.rm(this.#path(name), { force: true }));
  }

  async removeTree(name: string): Promise<void> {
    await attempt(fs.promises.rm(this.#path(name), { recursive: true, force: true }));
  }

  /** Who asks while a sync of the folder is under way gets the next one, together with all others who do. */
  syncDirectory(name: string): Promise<void> {
    const waiting = this.#nextSyncs.get(name);
    if (waiting !== undefined) return waiting;
    const running = this.#runningSyncs.get(name);
    const sync = async (): Promise<void> => {
      this.#nextSyncs.delete(name);
      const own = this.#syncDirectory(name).finally(() => {
        if (this.#runningSyncs.get(name) === own) this.#runningSyncs.delete(name);
      });
      this.#runningSyncs.set(name, own);
      await own;
    };
    if (running === undefined) return sync();
    const next = running.then(sync, sync);
    this.#nextSyncs.set(name, next);
    return next;
  }

  async #syncDirectory(name: string): Promise<void> {
    const handle = await attempt(fs.promises.open(this.#path(name), "r"));
    try {
      await attempt(handle.sync());
    } finally {
      await handle.close();
    }
  }

  async readFile(name: string): Promise<Uint8Array | undefined> {
    try {
      return await fs.promises.readFile(this.#path(name));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw storageError(error);
    }
  }

  async writeFileAtomic(name: string, content: Uint8Array): Promise<void> {
    const target = this.#path(name);
    const temporary = `${target}.tmp`;
    const handle = await attempt(fs.promises.open(temporary, "w", 0o644));
    try {
      try {
        await attempt(handle.writeFile(content));
        await attempt(handle.datasync());
      } finally {
        await handle.close();
      }
      await attempt(fs.promises.rename(temporary, target));
    } catch (error) {
      // On a full volume what was begun would take up what little room there is.
      await fs.promises.rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await this.syncDirectory(path.dirname(name));
  }

  async usage(): Promise<{ freeBytes: number; capacityBytes: number }> {
    const { bavail, blocks, bsize } = await attempt(fs.promises.statfs(this.#root));
    return { freeBytes: bavail * bsize, capacityBytes: blocks * bsize };
  }
}

type Done = (error: NodeJS.ErrnoException | null, count?: number) => void;

/**
 * Reads, writes and syncs go by the descriptor, with callbacks: a FileHandle's own promises take several times the CPU,
 * and there is one for each flush. So that a descriptor is never closed under them, close waits for them.
 */
class OpenFile implements StorageFile {
  readonly #handle: fs.promises.FileHandle;
  #size: number;
  #running = 0;
  #closing: (() => void) | undefined;
  #closed = false;

  constructor(handle: fs.promises.FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  #run(start: (fd: number, done: Done) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const fd = this.#descriptor();
      this.#running++;
      start(fd, (error, count = 0) => {
        this.#running--;
        if (this.#running === 0) this.#closing?.();
        if (error === null) resolve(count);
        else reject(storageError(error));
      });
    });
  }

  /** @throws StorageError */
  #descriptor(): number {
    if (this.#closed) throw new StorageError("EBADF", "the file is closed");
    return this.#handle.fd;
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    let at = position;
    let rest = parts;
    let left = totalLength(parts);
    while (left > 0) {
      const written = await this.#run((fd, done) => {
        fs.writev(fd, rest, at, done);
      });
      at += written;
      left -= written;
      if (left > 0) rest = without(rest, written);
    }
    this.#size = Math.max(this.#size, at);
  }

  writeSync(position: number, parts: readonly Uint8Array[]): void {
    let at = position;
    let rest = parts;
    let left = totalLength(parts);
    const fd = this.#descriptor();
    try {
      while (left > 0) {
        const first = rest[0];
        const written =
          rest.length === 1 && first !== undefined
            ? fs.writeSync(fd, first, 0, first.length, at)
            : fs.writevSync(fd, rest, at);
        at += written;
        left -= written;
        if (left > 0) rest = without(rest, written);
      }
    } catch (error) {
      throw storageError(error);
    }
    this.#size = Math.max(this.#size, at);
  }

  async read(position: number, into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const from = filled;
      const bytes = await this.#run((fd, done) => {
        fs.read(fd, into, from, into.length - from, position + from, done);
      });
      if (bytes === 0) break;
      filled += bytes;
    }
    return filled;
  }

  async sync(): Promise<void> {
    await this.#run((fd, done) => {
      fs.fdatasync(fd, done);
    });
  }

  async truncate(size: number): Promise<void> {
    await this.#run((fd, done) => {
      fs.ftruncate(fd, size, done);
    });
    this.#size = size;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#closing = resolve;
      });
    }
    await attempt(this.#handle.close());
  }
}

/** What is left to write after a short write. */
function without(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = written;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

async function attempt<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storageError(error);
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "EIO";
}

function storageError(error: unknown): StorageError {
  return new StorageError(codeOf(error), error instanceof Error ? error.message : String(error));
}
