import type net from "node:net";
import { totalLength } from "../../../lib/bytes.ts";
import { appended } from "../../../lib/small-list.ts";
import type { Bytes, Millis } from "../../../lib/units.ts";
import type { ChannelHandlers, FrameChannel } from "../frame-channel.ts";

const NOTHING = new Uint8Array(0);
const SIZE_BYTES = 4;
/** Frames of one turn that are no more than this together are copied into one piece. */
const COPIED_BYTES = 4096;

/** The parts of a frame, and their length. */
interface Frame {
  readonly parts: readonly Uint8Array[];
  readonly bytes: Bytes;
  readonly released: (() => void) | undefined;
}

function flushOf(channel: TcpChannel): void {
  channel.flush();
}

/** Frames on a socket (edge). */
export class TcpChannel implements FrameChannel {
  readonly remote: string;
  readonly #socket: net.Socket;
  readonly #lingerMs: Millis;
  /** What is to leave at the end of this turn. */
  #pending: Frame[] = [];
  #pendingBytes = 0;
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
    return this.#socket.writableLength + this.#pendingBytes;
  }

  send(parts: readonly Uint8Array[], released?: () => void): void {
    if (this.closed || this.#socket.destroyed) {
      released?.();
      return;
    }
    const bytes = totalLength(parts);
    this.#pending = appended(this.#pending, { parts, bytes, released });
    this.#pendingBytes += SIZE_BYTES + bytes;
    if (this.#pending.length > 1) return;
    // Everything that is answered in one turn leaves in one write.
    process.nextTick(flushOf, this);
  }

  /** What is to leave at the end of this turn leaves now. */
  flush(): void {
    const frames = this.#pending;
    // They have left with a close in the same turn, behind which nothing may be written.
    if (frames.length === 0) return;
    const bytes = this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (this.#socket.destroyed) {
      for (const { released } of frames) released?.();
      return;
    }
    if (bytes <= COPIED_BYTES) this.#writeCopied(frames, bytes);
    else this.#writeGathered(frames);
  }

  /** To copy a few bytes takes less than to hand them to the socket part by part. */
  #writeCopied(frames: readonly Frame[], bytes: Bytes): void {
    const all = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const frame of frames) {
      at = all.writeInt32BE(frame.bytes, at);
      for (const part of frame.parts) {
        all.set(part, at);
        at += part.length;
      }
    }
    this.#socket.write(all, () => {
      for (const { released } of frames) released?.();
    });
  }

  #writeGathered(frames: readonly Frame[]): void {
    this.#socket.cork();
    for (const { parts, bytes, released } of frames) {
      const size = Buffer.allocUnsafe(SIZE_BYTES);
      size.writeInt32BE(bytes);
      this.#socket.write(size);
      const last = parts.length - 1;
      for (let i = 0; i < last; i++) this.#socket.write(parts[i] ?? NOTHING);
      this.#socket.write(parts[last] ?? NOTHING, () => released?.());
    }
    this.#socket.uncork();
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
    if (this.#pending.length > 0) this.flush();
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
