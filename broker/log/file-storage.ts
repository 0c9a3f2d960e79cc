import fs from "node:fs";
import path from "node:path";
import { PAGE_BYTES } from "../../lib/page-memory.ts";
import { attempt, codeOf, OpenFile, storageError } from "./open-file.ts";
import type { Ending, Storage, StorageFile } from "./storage.ts";
import { SyncedFile } from "./synced-file.ts";

/** A volume that is a folder of this machine (edge). The folder is made if need be. */
export async function createFileStorage(root: string): Promise<Storage> {
  await attempt(fs.promises.mkdir(root, { recursive: true }));
  return new FileStorage(root);
}

class FileStorage implements Storage {
  readonly journalBlockBytes = PAGE_BYTES;
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

  async open(name: string, mode: "create" | "existing", use?: "journal"): Promise<StorageFile> {
    const { O_RDWR, O_CREAT, O_DSYNC, O_DIRECT } = fs.constants;
    const flags = O_RDWR | (mode === "create" ? O_CREAT : 0);
    if (use !== "journal") return this.#open(name, flags);
    const buffered = await this.#open(name, flags | O_DSYNC);
    try {
      return new SyncedFile(buffered, await this.#open(name, flags | O_DSYNC | O_DIRECT));
    } catch (error) {
      if (codeOf(error) === "EINVAL") return new SyncedFile(buffered, undefined);
      await buffered.close();
      throw error;
    }
  }

  async #open(name: string, flags: number): Promise<OpenFile> {
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

  /** On the calling thread: recovery asks this of each segment, and hops to the pool would be most of its time. */
  async ending(name: string, bytes: number): Promise<Ending | undefined> {
    await Promise.resolve();
    try {
      if (bytes === 0) {
        return { size: fs.statSync(this.#path(name)).size, bytes: new Uint8Array(0) };
      }
      const fd = fs.openSync(this.#path(name), fs.constants.O_RDONLY);
      try {
        const { size } = fs.fstatSync(fd);
        const end = new Uint8Array(Math.min(bytes, size));
        fs.readSync(fd, end, 0, end.length, size - end.length);
        return { size, bytes: end };
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw storageError(error);
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
