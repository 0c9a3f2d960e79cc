import { Gate } from "../../lib/gate.ts";
import type { Bytes } from "../../lib/units.ts";

/**
 * The memory of answers that clients have not taken, and of reads for answers that are to come, over all connections
 * (forebay.answer.max.bytes). While it is short nothing more is read from segments for clients, a client that has not
 * taken what it was sent is not read, and those that have not for long are cut off. What is sent from the tail takes no
 * memory of its own until the tail gives it up. (core)
 */
export class AnswerMemory {
  readonly #limitBytes: Bytes;
  readonly #heldByReaders: () => Bytes;
  #own = 0;
  readonly room: Gate;
  /** Called when it has become short. */
  onShort: (() => void) | undefined;

  /** @param heldByReaders memory of the log that answers hold. */
  constructor(limitBytes: Bytes = Infinity, heldByReaders: () => Bytes = () => 0) {
    this.#limitBytes = limitBytes;
    this.#heldByReaders = heldByReaders;
    this.room = new Gate(() => !this.short);
  }

  get usedBytes(): Bytes {
    return this.#own + this.#heldByReaders();
  }
  get short(): boolean {
    return this.usedBytes >= this.#limitBytes;
  }

  /** Half of it is taken: who has something to answer already leaves the rest to others. */
  get crowded(): boolean {
    return 2 * this.usedBytes >= this.#limitBytes;
  }

  /** An answer that lies in memory of its own. */
  hold(bytes: Bytes): void {
    this.#own += bytes;
    if (this.onShort !== undefined && this.short) this.onShort();
  }
  /** An answer is gone, or one whose memory is counted elsewhere. */
  giveBack(bytes: Bytes): void {
    this.#own -= bytes;
    this.room.wake();
  }
}
