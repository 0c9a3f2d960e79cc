import fs from "node:fs";
import { totalLength } from "../../lib/bytes.ts";
import { StorageError, type StorageFile } from "./storage.ts";

type Done = (error: NodeJS.ErrnoException | null, count?: number) => void;

/**
 * Reads, writes and syncs go by the descriptor, with callbacks: a FileHandle's own promises take several times the CPU,
 * and there is one for each flush. So that a descriptor is never closed under them, close waits for them.
 */
export class OpenFile implements StorageFile {
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
      const [only] = rest;
      const written = await this.#run((fd, done) => {
        if (only !== undefined && rest.length === 1) fs.write(fd, only, 0, only.length, at, done);
        else fs.writev(fd, rest, at, done);
      });
      at += written;
      left -= written;
      if (left > 0) rest = without(rest, written);
    }
    this.#size = Math.max(this.#size, at);
  }

  writeSync(position: number, parts: readonly Uint8Array[]): boolean {
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
    return true;
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

/** Waits for a call of the system. @throws StorageError */
export async function attempt<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storageError(error);
  }
}

export function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "EIO";
}

export function storageError(error: unknown): StorageError {
  return new StorageError(codeOf(error), error instanceof Error ? error.message : String(error));
}
