import { closeSync, mkdirSync, openSync, renameSync } from "node:fs";
import { copyFile, open, stat, truncate } from "node:fs/promises";
import path from "node:path";
import { sleep } from "../../lib/clock.ts";
import type { Scheduler } from "../../lib/clock.ts";
import { KIB, MIB } from "../../lib/units.ts";
import type { Bytes, Millis } from "../../lib/units.ts";

/** A log that grows beyond this loses its older half of two files. */
const LARGEST: Bytes = 20 * MIB;
const CHUNK: Bytes = 64 * KIB;
const FOLLOW_INTERVAL: Millis = 200;

/** What the processes of pods wrote on standard output and error (edge): a file for the present run and for the last. */
export class PodLogFiles {
  readonly #folder: string;
  readonly #scheduler: Scheduler;

  constructor(directory: string, scheduler: Scheduler) {
    this.#folder = path.join(directory, "logs");
    this.#scheduler = scheduler;
  }

  file(namespace: string, pod: string, previous = false): string {
    const name = namespace === "default" ? pod : `${namespace}_${pod}`;
    return path.join(this.#folder, `${name}${previous ? ".previous" : ""}.log`);
  }

  /**
   * A descriptor for the output of a new run; the file of the run before is kept as the previous one. The process gets
   * the file itself and not a pipe: it must go on, and its last words must arrive, whatever becomes of this one.
   */
  openForRun(namespace: string, pod: string): { readonly fd: number; close(): void } {
    mkdirSync(this.#folder, { recursive: true });
    const file = this.file(namespace, pod);
    try {
      renameSync(file, this.file(namespace, pod, true));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const fd = openSync(file, "a", 0o600);
    return {
      fd,
      close: () => {
        closeSync(fd);
      },
    };
  }

  /** Keeps a long run's log in bounds: descriptors are in append mode, so the file may be emptied under the process. */
  async limit(namespace: string, pod: string): Promise<void> {
    const file = this.file(namespace, pod);
    try {
      if ((await stat(file)).size <= LARGEST) return;
      await copyFile(file, `${file}.1`);
      await truncate(file, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** The content of a log, and what is added while `follow` says so; an empty one when there is no log. */
  async *read(
    file: string,
    options: {
      readonly tailLines?: number;
      readonly follow: () => boolean;
      readonly signal: AbortSignal;
    },
  ): AsyncIterable<Uint8Array> {
    let position =
      options.tailLines === undefined ? 0 : await tailPosition(file, options.tailLines);
    for (;;) {
      // Asked before reading: what was written before the end is read after it.
      const more = options.follow();
      for (;;) {
        const chunk = await readAt(file, position);
        if (chunk === undefined) break;
        // The file was emptied or belongs to a new run.
        if (chunk === "shorter") {
          position = 0;
          continue;
        }
        position += chunk.length;
        yield chunk;
        if (options.signal.aborted) return;
      }
      if (!more || options.signal.aborted) return;
      await sleep(this.#scheduler, FOLLOW_INTERVAL);
    }
  }
}

async function readAt(file: string, position: number): Promise<Uint8Array | "shorter" | undefined> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    if (size < position) return "shorter";
    if (size === position) return undefined;
    const buffer = Buffer.alloc(Math.min(CHUNK, size - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where the last `lines` lines begin. */
async function tailPosition(file: string, lines: number): Promise<number> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    let position = size;
    let found = 0;
    const buffer = Buffer.alloc(CHUNK);
    while (position > 0) {
      const length = Math.min(CHUNK, position);
      position -= length;
      await handle.read(buffer, 0, length, position);
      for (let i = length - 1; i >= 0; i--) {
        // The newline that ends the last line begins no other.
        if (buffer[i] !== 0x0a || position + i === size - 1) continue;
        if (++found === lines) return position + i + 1;
      }
    }
    return lines === 0 ? size : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
