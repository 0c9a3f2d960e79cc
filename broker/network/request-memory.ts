import { Gate } from "../../lib/gate.ts";
import type { Bytes } from "../../lib/units.ts";
import type { FrameBuffers } from "../protocol/framing.ts";

const SMALLEST_BUFFER = 4096;
/** Buffers kept for the next frames, together. */
const KEPT_BYTES = 8 * 1024 * 1024;

/**
 * The memory of requests that have not come whole, or wait for their turn, over all connections of a listener
 * (queued.max.request.bytes). Over the limit sockets are not read: each holds what it has and waits in line. One at a
 * time goes on regardless, so that of many requests in part some become whole. (core)
 */
export class RequestMemory implements FrameBuffers {
  readonly #limitBytes: Bytes;
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;
  #used = 0;
  /** Who may go on while there is no room. */
  #favoured: unknown;
  readonly room: Gate;

  constructor(limitBytes: Bytes = Infinity) {
    this.#limitBytes = limitBytes;
    this.room = new Gate(() => this.#used < this.#limitBytes || this.#favoured === undefined);
  }

  get usedBytes(): Bytes {
    return this.#used;
  }
  /** Buffers of earlier requests, kept for later ones. */
  get keptBytes(): Bytes {
    return this.#freeBytes;
  }

  /** A buffer of at least `bytes`, with any content. */
  take(bytes: Bytes): Uint8Array {
    const size = Math.max(SMALLEST_BUFFER, 2 ** Math.ceil(Math.log2(bytes)));
    this.#used += size;
    const kept = this.#free.get(size)?.pop();
    // Not a Buffer: what is sliced off it is to be a copy.
    if (kept === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    this.#freeBytes -= size;
    return kept;
  }

  give(buffer: Uint8Array): void {
    const size = buffer.length;
    if (this.#freeBytes + size <= KEPT_BYTES) {
      this.#freeBytes += size;
      const kept = this.#free.get(size);
      if (kept === undefined) this.#free.set(size, [buffer]);
      else kept.push(buffer);
    }
    this.giveBack(size);
  }

  /** Counts memory that is not from here. */
  hold(bytes: Bytes): void {
    this.#used += bytes;
  }
  giveBack(bytes: Bytes): void {
    this.#used -= bytes;
    this.room.wake();
  }

  /** Whether `who`, who has a request in part, may read more of it now; if not it waits at `room` and asks again. */
  mayRead(who: object): boolean {
    if (this.#used < this.#limitBytes || this.#favoured === who) return true;
    if (this.#favoured !== undefined) return false;
    this.#favoured = who;
    return true;
  }

  /** `who` has no request in part any more. */
  done(who: object): void {
    if (this.#favoured !== who) return;
    this.#favoured = undefined;
    this.room.wake();
  }
}
