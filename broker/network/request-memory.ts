import { Gate } from "../../lib/gate.ts";
import { pageMemory } from "../../lib/page-memory.ts";
import { MIB, type Bytes } from "../../lib/units.ts";
import type { FrameBuffers } from "../protocol/framing.ts";

const SMALLEST_BUFFER = 4096;
/** Buffers kept for the next frames, together. */
const KEPT_BYTES = 8 * MIB;
/** Of them, those that are there for all that may become so large. */
const SLOT_BYTES = MIB;
const SLOTS = KEPT_BYTES / SLOT_BYTES;
/** Smaller frames come whole in one read, mostly. */
const SLOT_FROM_BYTES = 64 * 1024;

/**
 * The memory of requests that have not come whole, or wait for their turn, over all connections of a listener
 * (queued.max.request.bytes). Over the limit sockets are not read: each holds what it has and waits in line. One at a
 * time goes on regardless, so that of many requests in part some become whole.
 *
 * The first few of those that will be large get all of their memory at once, which is there whether they do or not: growing
 * step by step copies each byte twice. It is page memory, for the checksums. (core)
 */
export class RequestMemory implements FrameBuffers {
  readonly #limitBytes: Bytes;
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;
  #slots: Uint8Array | undefined;
  #slotsMade = 0;
  readonly #freeSlots: Uint8Array[] = [];
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
    return this.#freeBytes + this.#freeSlots.length * SLOT_BYTES;
  }

  /** A buffer of at least `bytes`, with any content; of `wanted` if that costs nothing. */
  take(bytes: Bytes, wanted = bytes): Uint8Array {
    const slot = this.#slotFor(wanted);
    if (slot !== undefined) {
      this.#used += SLOT_BYTES;
      return slot;
    }
    const size = Math.max(SMALLEST_BUFFER, 2 ** Math.ceil(Math.log2(bytes)));
    this.#used += size;
    const kept = this.#free.get(size)?.pop();
    // Not a Buffer: what is sliced off it is to be a copy.
    if (kept === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    this.#freeBytes -= size;
    return kept;
  }

  /** Only while there is plenty: what is claimed need not come. */
  #slotFor(bytes: Bytes): Uint8Array | undefined {
    if (bytes <= SLOT_FROM_BYTES || bytes > SLOT_BYTES) return undefined;
    if (this.#used + SLOT_BYTES > this.#limitBytes / 2) return undefined;
    const free = this.#freeSlots.pop();
    if (free !== undefined || this.#slotsMade === SLOTS) return free;
    this.#slots ??= pageMemory(KEPT_BYTES);
    const at = this.#slotsMade++ * SLOT_BYTES;
    return this.#slots.subarray(at, at + SLOT_BYTES);
  }

  give(buffer: Uint8Array): void {
    const size = buffer.length;
    if (buffer.buffer === this.#slots?.buffer) {
      this.#freeSlots.push(buffer);
      if (this.keptBytes > KEPT_BYTES) {
        this.#free.clear();
        this.#freeBytes = 0;
      }
    } else if (this.keptBytes + size <= KEPT_BYTES) {
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
