import { totalLength } from "../../lib/bytes.ts";
import { isWholePages, PAGE_BYTES } from "../../lib/page-memory.ts";
import { MIB } from "../../lib/units.ts";
import { codeOf, type OpenFile } from "./open-file.ts";
import type { StorageFile } from "./storage.ts";

/** A journal's file is allocated in steps of so much. */
const ALLOCATE_BYTES = 4 * MIB;
/** Never written to, so that it takes no memory; one for all, as some of it for each step is a full garbage collection soon. */
const ZEROS = new Uint8Array(ALLOCATE_BYTES);

/**
 * Every write is on stable storage when it is done (O_DSYNC), which takes one call in place of two. Whole pages go there
 * without the page cache (O_DIRECT) where the file system can: nobody reads a journal soon.
 */
export class SyncedFile implements StorageFile {
  readonly #buffered: OpenFile;
  #direct: OpenFile | undefined;
  /** The file has blocks up to here, or will have when the zeros that are on their way are written. */
  #allocated: number;
  #zeroing: Promise<void> | undefined;

  constructor(buffered: OpenFile, direct: OpenFile | undefined) {
    this.#buffered = buffered;
    this.#direct = direct;
    this.#allocated = buffered.size;
  }

  get size(): number {
    return Math.max(this.#buffered.size, this.#direct?.size ?? 0);
  }

  /**
   * Zeros ahead of what is written: a write into blocks that the file has needs no change of the file system's own records,
   * and so no commit of them, which takes longer than the write.
   */
  #allocateAhead(end: number): void {
    if (this.#zeroing !== undefined || end + ALLOCATE_BYTES / 2 <= this.#allocated) return;
    const from = Math.max(end, this.#allocated);
    this.#allocated = from + ALLOCATE_BYTES;
    this.#zeroing = this.#buffered
      .write(from, [ZEROS])
      // Whoever needs the room is told that there is none.
      .catch(() => undefined)
      .finally(() => {
        this.#zeroing = undefined;
      });
  }

  /** Zeros that are on their way must not come behind what is written there. */
  #mustWait(end: number): boolean {
    return this.#zeroing !== undefined && end > this.#allocated - ALLOCATE_BYTES;
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const end = position + totalLength(parts);
    if (this.#mustWait(end)) await this.#zeroing;
    await this.#writeNow(position, parts);
    this.#allocateAhead(end);
  }

  async #writeNow(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const direct = this.#directFor(position, parts);
    if (direct === undefined) return this.#buffered.write(position, parts);
    try {
      await direct.write(position, parts);
    } catch (error) {
      if (codeOf(error) !== "EINVAL") throw error;
      this.#noDirect();
      await this.#buffered.write(position, parts);
    }
  }

  #directFor(position: number, parts: readonly Uint8Array[]): OpenFile | undefined {
    return position % PAGE_BYTES === 0 && parts.every(isWholePages) ? this.#direct : undefined;
  }

  /** Some file systems let a file be opened so and say with the first write that they cannot. */
  #noDirect(): void {
    const direct = this.#direct;
    this.#direct = undefined;
    // Nothing was written by it.
    direct?.close().catch(() => undefined);
  }

  writeSync(position: number, parts: readonly Uint8Array[]): boolean {
    const end = position + totalLength(parts);
    if (this.#mustWait(end)) return false;
    const direct = this.#directFor(position, parts);
    try {
      (direct ?? this.#buffered).writeSync(position, parts);
    } catch (error) {
      if (direct === undefined || codeOf(error) !== "EINVAL") throw error;
      this.#noDirect();
      this.#buffered.writeSync(position, parts);
    }
    this.#allocateAhead(end);
    return true;
  }

  read(position: number, into: Uint8Array): Promise<number> {
    return this.#buffered.read(position, into);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  truncate(size: number): Promise<void> {
    return this.#buffered.truncate(size);
  }

  async close(): Promise<void> {
    await this.#zeroing;
    await this.#direct?.close();
    await this.#buffered.close();
  }
}
