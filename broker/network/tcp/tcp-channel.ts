import type net from "node:net";
import { totalLength } from "../../../lib/bytes.ts";
import type { Millis } from "../../../lib/units.ts";
import type { ChannelHandlers, FrameChannel } from "../frame-channel.ts";

const NOTHING = new Uint8Array(0);

/** Frames on a socket (edge). */
export class TcpChannel implements FrameChannel {
  readonly remote: string;
  readonly #socket: net.Socket;
  readonly #lingerMs: Millis;
  #corked = false;
  /** It is read when both its user and the memory for requests allow it. */
  #wanted = true;
  #memoryAllows = true;
  #reading = true;
  #error: Error | undefined;
  closed = false;
  /** It is read again after it was not. */
  onResume: (() => void) | undefined;

  constructor(socket: net.Socket, remote: string, lingerMs: Millis) {
    this.#socket = socket;
    this.remote = remote;
    this.#lingerMs = lingerMs;
  }

  attach(handlers: ChannelHandlers): void {
    this.#socket.on("error", (error) => {
      this.#error ??= error;
    });
    this.#socket.on("drain", () => handlers.onDrain?.());
    this.#socket.once("close", () => {
      this.closed = true;
      handlers.onClose(this.#error);
    });
    this.#socket.on("end", () => this.#socket.destroy());
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  send(parts: readonly Uint8Array[], released?: () => void): void {
    if (this.closed || this.#socket.destroyed) {
      released?.();
      return;
    }
    // Everything that is answered in one turn leaves in one gathered write.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    const size = Buffer.allocUnsafe(4);
    size.writeInt32BE(totalLength(parts));
    this.#socket.write(size);
    const last = parts.length - 1;
    for (let i = 0; i < last; i++) this.#socket.write(parts[i] ?? NOTHING);
    this.#socket.write(parts[last] ?? NOTHING, () => released?.());
  }

  setReading(reading: boolean): void {
    this.#wanted = reading;
    this.#read();
  }

  /** Whether there is memory for more of the request that is coming. */
  setMemoryAllows(allows: boolean): void {
    this.#memoryAllows = allows;
    this.#read();
  }

  /** Why it is not read, if it is not. */
  get paused(): "unwanted" | "memory" | undefined {
    if (!this.#wanted) return "unwanted";
    return this.#memoryAllows ? undefined : "memory";
  }

  #read(): void {
    const reading = this.paused === undefined;
    if (reading === this.#reading) return;
    this.#reading = reading;
    if (reading) {
      this.onResume?.();
      this.#socket.resume();
    } else this.#socket.pause();
  }

  close(): void {
    this.#socket.destroySoon();
    if (this.#socket.destroyed) return;
    const timer = setTimeout(() => this.#socket.destroy(), this.#lingerMs);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  abort(): void {
    this.#socket.destroy();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }
}
