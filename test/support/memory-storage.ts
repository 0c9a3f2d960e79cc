import type { Scheduler } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import {
  type Ending,
  type Storage,
  StorageError,
  type StorageFile,
} from "../../broker/log/storage.ts";

const SECTOR = 512;

/** A write (or a change of length) that no sync has covered. */
type Unsynced =
  | { readonly kind: "write"; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly size: number };

/** What a sync takes over from the unsynced changes; the array's spare room is not part of it. */
interface Content {
  bytes: Uint8Array;
  size: number;
}

/** A file: what is on stable storage, and what has been done since. */
interface Inode {
  readonly stable: Content;
  readonly current: Content;
  /** In the order in which they were done; the first is change number `synced`. */
  unsynced: Unsynced[];
  /** How many changes syncs have covered since the file was made. */
  synced: number;
}

function newInode(bytes = new Uint8Array(0)): Inode {
  return {
    stable: { bytes, size: bytes.length },
    current: { bytes: bytes.slice(), size: bytes.length },
    unsynced: [],
    synced: 0,
  };
}

export interface MemoryStorageOptions {
  /** Delays of each asynchronous operation, on the given scheduler; none without. */
  readonly scheduler?: Scheduler;
  readonly delay?: () => number;
  /** Called before each operation; what it throws is the operation's failure. */
  readonly fault?: (operation: string, path: string) => void;
  readonly capacityBytes?: number;
  readonly journalBlockBytes?: number;
}

/**
 * A volume in memory that knows what a crash may take: any subset of the unsynced writes, each at sector granularity,
 * and names that were made, renamed or removed without a sync of their folder.
 */
export class MemoryStorage {
  #options: MemoryStorageOptions;
  #instant = false;
  #capacity: number | undefined;
  /** Names as a process sees them, and as a crash would leave them. */
  #names = new Map<string, Inode>();
  #stableNames = new Map<string, Inode>();
  /** Names of which the two may differ. */
  #unsyncedNames = new Set<string>();
  /** Names that a folder's rename has changed and no sync has covered: a crash takes all of one rename, or none. */
  #renamed = new Map<string, object>();
  #directories = new Set<string>([""]);
  /** Processes of before the crash can change nothing any more. */
  #epoch = 0;

  constructor(options: MemoryStorageOptions = {}) {
    this.#options = options;
  }

  /** How much fits from now on; undefined for no bound. Kept when the options change. */
  setCapacity(bytes: number | undefined): void {
    this.#capacity = bytes;
  }

  setOptions(options: MemoryStorageOptions): void {
    this.#options = options;
  }

  /** Whether operations take no time for now and meet no faults: for an observer that must not disturb. */
  setInstant(instant: boolean): void {
    this.#instant = instant;
  }

  /** The machine stops: what was not synced is lost in part, as chance has it. Open files and their users are dead. */
  crash(random: Random): void {
    this.#epoch++;
    const names = new Map<string, Inode>();
    const all = new Set([...this.#names.keys(), ...this.#stableNames.keys()]);
    this.#unsyncedNames.clear();
    const kept = new Map<object, boolean>();
    for (const name of [...all].sort()) {
      const now = this.#names.get(name);
      const stable = this.#stableNames.get(name);
      // A change of names that no folder sync covered may or may not have got to the disk.
      const rename = this.#renamed.get(name);
      const inode = now === stable ? now : keeps(random, rename, kept) ? now : stable;
      if (inode !== undefined) names.set(name, inode);
    }
    for (const inode of new Set(names.values())) lose(inode, random);
    this.#names = names;
    this.#stableNames = new Map(names);
    this.#renamed.clear();
    // A folder whose rename was lost has its old name again.
    for (const name of names.keys()) {
      for (let at = parentOf(name); at !== ""; at = parentOf(at)) this.#directories.add(at);
    }
  }

  /** The volume is exchanged for an empty one. */
  wipe(): void {
    this.#epoch++;
    this.#names = new Map();
    this.#stableNames = new Map();
    this.#unsyncedNames.clear();
    this.#directories = new Set([""]);
  }

  /** What a file has, and what a crash would leave of it for certain; undefined when there is no such file. */
  content(path: string): { readonly current: Uint8Array; readonly stable: Uint8Array } | undefined {
    const inode = this.#names.get(normal(path));
    if (inode === undefined) return undefined;
    const { current, stable } = inode;
    return {
      current: current.bytes.subarray(0, current.size),
      stable: stable.bytes.subarray(0, stable.size),
    };
  }

  /** Changes bits of one byte of a file behind everybody's back. */
  corrupt(path: string, position: number, bits = 0xff): void {
    const inode = this.#names.get(normal(path));
    if (inode === undefined || position >= inode.current.size) return;
    const { current, stable } = inode;
    current.bytes[position] = (current.bytes[position] ?? 0) ^ bits;
    if (position < stable.size) stable.bytes[position] = current.bytes[position] ?? 0;
  }

  /** Cuts a file short behind everybody's back. */
  shorten(path: string, size: number): void {
    const inode = this.#names.get(normal(path));
    if (inode === undefined) return;
    for (const content of [inode.current, inode.stable]) {
      if (content.size > size) resize(content, size);
    }
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The volume as one process sees it: after a crash or a wipe nothing that this process asks is ever answered. */
  mount(): Storage {
    const epoch = this.#epoch;
    const guarded =
      <A extends unknown[], T>(operation: (...args: A) => Promise<T>) =>
      (...args: A): Promise<T> =>
        epoch === this.#epoch ? operation(...args) : new Promise<never>(() => undefined);
    return {
      journalBlockBytes: this.#options.journalBlockBytes ?? 1,
      open: guarded((path: string, mode: "create" | "existing") => this.#open(path, mode)),
      list: guarded((directory: string) => this.#list(directory)),
      makeDirectory: guarded((path: string) => this.#makeDirectory(path)),
      rename: guarded((from: string, to: string) => this.#rename(from, to)),
      remove: guarded((path: string) => this.#remove(path)),
      removeTree: guarded((path: string) => this.#removeTree(path)),
      syncDirectory: guarded((path: string) => this.#syncDirectory(path)),
      ending: guarded((path: string, bytes: number) => this.#ending(path, bytes)),
      readFile: guarded((path: string) => this.#readFile(path)),
      writeFileAtomic: guarded((path: string, content: Uint8Array) =>
        this.#writeFileAtomic(path, content),
      ),
      usage: guarded(() => this.#usage()),
    };
  }

  async #enter(operation: string, path: string, since = this.#epoch): Promise<void> {
    const epoch = since;
    const { scheduler, delay, fault } = this.#instant ? {} : this.#options;
    if (scheduler !== undefined && delay !== undefined) {
      await new Promise<void>((resolve) => scheduler.after(delay(), resolve));
    } else await Promise.resolve();
    if (epoch !== this.#epoch) await new Promise<never>(() => undefined);
    fault?.(operation, path);
  }

  used(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.current.size;
    return used;
  }

  #refuseIfFull(growth: number): void {
    const capacityBytes = this.#capacity ?? this.#options.capacityBytes;
    if (capacityBytes !== undefined && growth > 0 && this.used() + growth > capacityBytes) {
      throw new StorageError("ENOSPC", "no space left on device");
    }
  }

  async #open(path: string, mode: "create" | "existing"): Promise<StorageFile> {
    await this.#enter("open", path);
    const name = normal(path);
    let inode = this.#names.get(name);
    if (inode === undefined) {
      if (mode === "existing") throw missing(path);
      this.#requireDirectory(parentOf(name));
      inode = newInode();
      this.#setName(name, inode);
    }
    return this.#handle(name, inode);
  }

  #setName(name: string, inode: Inode | undefined): void {
    if (inode === undefined) this.#names.delete(name);
    else this.#names.set(name, inode);
    this.#unsyncedNames.add(name);
    this.#renamed.delete(name);
  }

  #requireDirectory(path: string): void {
    if (!this.#directories.has(path)) throw missing(path);
  }

  #handle(name: string, inode: Inode): StorageFile {
    const epoch = this.#epoch;
    const alive = (): boolean => epoch === this.#epoch;
    let closed = false;
    const requireOpen = (): void => {
      if (closed) throw new StorageError("EBADF", `closed: ${name}`);
    };
    const enter = (operation: string): Promise<void> => {
      requireOpen();
      return this.#enter(operation, name, epoch);
    };
    const put = (position: number, parts: readonly Uint8Array[]): void => {
      let total = 0;
      for (const part of parts) total += part.length;
      this.#refuseIfFull(position + total - inode.current.size);
      let at = position;
      for (const part of parts) {
        const bytes = new Uint8Array(part);
        write(inode.current, at, bytes);
        inode.unsynced.push({ kind: "write", position: at, bytes });
        at += bytes.length;
      }
    };
    return {
      get size() {
        return inode.current.size;
      },
      write: async (position, parts) => {
        await enter("write");
        put(position, parts);
      },
      writeSync: (position, parts) => {
        if (!alive()) return true;
        requireOpen();
        this.#options.fault?.("write", name);
        put(position, parts);
        return true;
      },
      read: async (position, into) => {
        await enter("read");
        const { bytes, size } = inode.current;
        const found = bytes.subarray(position, Math.min(size, position + into.length));
        into.set(found);
        return found.length;
      },
      sync: async () => {
        // What was written before the call is covered, not what comes while it is under way.
        const covered = inode.synced + inode.unsynced.length;
        await enter("sync");
        // Another sync may have been done meanwhile, and have covered more.
        if (covered <= inode.synced) return;
        const done = inode.unsynced.splice(0, covered - inode.synced);
        inode.synced = covered;
        for (const change of done) apply(inode.stable, change);
      },
      truncate: async (size) => {
        await enter("truncate");
        resize(inode.current, size);
        inode.unsynced.push({ kind: "truncate", size });
      },
      close: async () => {
        closed = true;
        await this.#enter("close", name, epoch);
      },
    };
  }

  async #list(directory: string): Promise<readonly string[]> {
    await this.#enter("list", directory);
    const prefix = normal(directory) === "" ? "" : `${normal(directory)}/`;
    const names = new Set<string>();
    for (const path of [...this.#names.keys(), ...this.#directories]) {
      if (!path.startsWith(prefix) || path === prefix || path === "") continue;
      const name = path.slice(prefix.length).split("/")[0];
      if (name !== undefined && name !== "") names.add(name);
    }
    return [...names].sort();
  }

  async #makeDirectory(path: string): Promise<void> {
    await this.#enter("mkdir", path);
    for (let name = normal(path); name !== ""; name = parentOf(name)) this.#directories.add(name);
  }

  async #rename(from: string, to: string): Promise<void> {
    await this.#enter("rename", from);
    const [source, target] = [normal(from), normal(to)];
    if (!this.#names.has(source) && !this.#directories.has(source)) throw missing(from);
    const rename = {};
    for (const [path, inode] of [...this.#names]) {
      if (path !== source && !path.startsWith(`${source}/`)) continue;
      const renamed = target + path.slice(source.length);
      this.#setName(path, undefined);
      this.#setName(renamed, inode);
      if (path === source) continue;
      this.#renamed.set(path, rename);
      this.#renamed.set(renamed, rename);
    }
    for (const path of [...this.#directories]) {
      if (path !== source && !path.startsWith(`${source}/`)) continue;
      this.#directories.delete(path);
      this.#directories.add(target + path.slice(source.length));
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#enter("remove", path);
    this.#setName(normal(path), undefined);
  }

  async #removeTree(path: string): Promise<void> {
    await this.#enter("remove", path);
    const root = normal(path);
    for (const name of [...this.#names.keys()]) {
      if (name === root || name.startsWith(`${root}/`)) this.#setName(name, undefined);
    }
    for (const name of [...this.#directories]) {
      if (name === root || name.startsWith(`${root}/`)) this.#directories.delete(name);
    }
  }

  async #syncDirectory(path: string): Promise<void> {
    await this.#enter("sync", path);
    const root = normal(path);
    this.#requireDirectory(root);
    const below = (name: string): boolean => root === "" || name.startsWith(`${root}/`);
    for (const name of this.#unsyncedNames) {
      if (!below(name)) continue;
      this.#unsyncedNames.delete(name);
      this.#renamed.delete(name);
      const inode = this.#names.get(name);
      if (inode === undefined) this.#stableNames.delete(name);
      else this.#stableNames.set(name, inode);
    }
  }

  async #ending(path: string, bytes: number): Promise<Ending | undefined> {
    await this.#enter("ending", path);
    const content = this.#names.get(normal(path))?.current;
    if (content === undefined) return undefined;
    const { size } = content;
    return { size, bytes: content.bytes.slice(Math.max(0, size - bytes), size) };
  }

  async #readFile(path: string): Promise<Uint8Array | undefined> {
    await this.#enter("read", path);
    const inode = this.#names.get(normal(path));
    return inode?.current.bytes.slice(0, inode.current.size);
  }

  async #writeFileAtomic(path: string, content: Uint8Array): Promise<void> {
    await this.#enter("write", path);
    this.#requireDirectory(parentOf(normal(path)));
    this.#refuseIfFull(content.length);
    const inode = newInode(new Uint8Array(content));
    this.#names.set(normal(path), inode);
    this.#stableNames.set(normal(path), inode);
  }

  async #usage(): Promise<{ freeBytes: number; capacityBytes: number }> {
    await this.#enter("usage", "");
    const capacityBytes = this.#capacity ?? this.#options.capacityBytes ?? 2 ** 40;
    return { freeBytes: Math.max(0, capacityBytes - this.used()), capacityBytes };
  }
}

/** Whether a change of names has got to the disk before a crash; the same for all of one rename. */
function keeps(random: Random, rename: object | undefined, kept: Map<object, boolean>): boolean {
  const known = rename === undefined ? undefined : kept.get(rename);
  const keeping = known ?? random.next() < 0.5;
  if (rename !== undefined) kept.set(rename, keeping);
  return keeping;
}

function normal(path: string): string {
  return path === "." ? "" : path.replace(/^\.\//, "");
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

function missing(path: string): StorageError {
  return new StorageError("ENOENT", `no such file or folder: ${path}`);
}

function resize(content: Content, size: number): void {
  if (size > content.bytes.length) {
    const grown = new Uint8Array(Math.max(size, 2 * content.bytes.length));
    grown.set(content.bytes.subarray(0, content.size));
    content.bytes = grown;
  }
  if (size < content.size) content.bytes.fill(0, size, content.size);
  content.size = size;
}

function write(content: Content, position: number, bytes: Uint8Array): void {
  if (position + bytes.length > content.size) resize(content, position + bytes.length);
  content.bytes.set(bytes, position);
}

function apply(content: Content, change: Unsynced): void {
  if (change.kind === "truncate") resize(content, change.size);
  else write(content, change.position, change.bytes);
}

/** Applies to the stable content what chance lets through of the rest. */
function lose(inode: Inode, random: Random): void {
  const { stable, current, unsynced } = inode;
  inode.synced += unsynced.length;
  inode.unsynced = [];
  const fate = unsynced.length === 0 ? 0 : random.next();
  for (const change of unsynced) {
    const survives = fate < 0.2 ? false : fate < 0.4 ? true : random.next() < 0.5;
    if (change.kind === "truncate") {
      if (survives) apply(stable, change);
      continue;
    }
    if (survives && random.next() < 0.7) {
      apply(stable, change);
      continue;
    }
    if (!survives) continue;
    // Torn: some sectors of the write and not others.
    for (let at = 0; at < change.bytes.length; at += SECTOR) {
      const sector = change.bytes.subarray(at, at + SECTOR);
      if (random.next() < 0.5) write(stable, change.position + at, sector);
    }
  }
  current.bytes = stable.bytes.slice(0, stable.size);
  current.size = stable.size;
}
