import type { Bytes } from "../../lib/units.ts";

/** One open file. Positions and lengths are in bytes; a write past the end extends it. */
export interface StorageFile {
  /** Length as this process has written it. */
  readonly size: Bytes;
  /** Writes the parts one after the other at `position`; not durable until `sync`. Part contents must not change until it resolves. */
  write(position: Bytes, parts: readonly Uint8Array[]): Promise<void>;
  /**
   * The same on the calling thread: cheaper under some hundred KiB (a thread hop costs 25 to 60 µs of CPU).
   * @returns whether it was done: not if it would have to wait for something else that is written
   */
  writeSync(position: Bytes, parts: readonly Uint8Array[]): boolean;
  /** Fills `into` from `position`; resolves to the bytes read, fewer only at the end of the file. */
  read(position: Bytes, into: Uint8Array): Promise<number>;
  /** fdatasync: all earlier writes to this file, and its length, survive a crash. */
  sync(): Promise<void>;
  truncate(size: Bytes): Promise<void>;
  close(): Promise<void>;
}

/**
 * The files of one volume; paths are relative to its root and use "/". What is not synced may be lost in a crash, any
 * part of it; a created, renamed or removed name is durable after `syncDirectory` of its folder. Errors of the system
 * reach the caller as `StorageError`.
 */
export interface Storage {
  /** The journal's writes are of whole blocks of this size, at multiples of it: for them that is the fastest. */
  readonly journalBlockBytes: Bytes;
  /**
   * @param use a journal's writes may be on stable storage before `sync` is called; it then has nothing to do
   */
  open(path: string, mode: "create" | "existing", use?: "journal"): Promise<StorageFile>;
  /** Names in a folder, sorted; empty if there is no such folder. */
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Removes a folder and all in it. */
  removeTree(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** How long a file is, or undefined if there is none, and its last bytes, as many as asked for if it has them. */
  ending(path: string, bytes: Bytes): Promise<Ending | undefined>;
  /** The whole content, or undefined if there is no such file. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Replaces the file by temporary file, sync, rename and sync of the folder: either the old content or the new. */
  writeFileAtomic(path: string, content: Uint8Array): Promise<void>;
  usage(): Promise<{ readonly freeBytes: Bytes; readonly capacityBytes: Bytes }>;
}

export interface Ending {
  readonly size: Bytes;
  readonly bytes: Uint8Array;
}

/** As much is read with one look at the end of a file. */
const SMALL_BYTES: Bytes = 64 * 1024;

/** The content of a file that is small as a rule, or undefined if there is none: fewer calls than `readFile` takes. */
export async function readSmall(storage: Storage, path: string): Promise<Uint8Array | undefined> {
  const ending = await storage.ending(path, SMALL_BYTES);
  return ending === undefined || ending.size === ending.bytes.length
    ? ending?.bytes
    : storage.readFile(path);
}

/** The volume refused or failed: `code` is the system's name for it (ENOSPC, EIO, …). */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
