import { MalformedError } from "./reader.ts";

const SIZE_BYTES = 4;
const FIRST_CAPACITY = 4096;
/** Less than so much of a frame had better come together with what follows it. */
const ROOM_FROM_BYTES = 16 * 1024;
const NO_BUFFER = new Uint8Array(0);

/** Where the memory of unfinished frames comes from. */
export interface FrameBuffers {
  /** A buffer of at least `bytes`, with any content; of `wanted`, which are claimed to follow, if that costs nothing. */
  take(bytes: number, wanted: number): Uint8Array;
  give(buffer: Uint8Array): void;
}

const fresh: FrameBuffers = {
  take: (bytes) => new Uint8Array(bytes),
  give: () => undefined,
};

/**
 * Chunks of a byte stream in, whole frames out. A frame that lies whole in a chunk is handed out as a view of it; any
 * other is collected in a buffer that grows with the bytes that have come, not with the length that was claimed,
 * unless whoever gives the buffers has one to spare. (core)
 */
export class FrameSplitter {
  readonly #maxFrameBytes: number;
  readonly #buffers: FrameBuffers;
  #buffer: Uint8Array = NO_BUFFER;
  /** Bytes of the unfinished frame, size included. */
  #filled = 0;

  constructor(maxFrameBytes: number, buffers = fresh) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#buffers = buffers;
  }

  /** Bytes of an unfinished frame held here. */
  get buffered(): number {
    return this.#filled;
  }

  /** Bytes of memory taken for it, about twice what came of it at most; none without one. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /**
   * Where the next bytes of an unfinished frame may be put without a chunk between, to be told of by `filled`; undefined when
   * there is too little of it to be worth it. Valid until anything else is done here.
   */
  get room(): Uint8Array | undefined {
    if (this.#filled < SIZE_BYTES) return undefined;
    const total = SIZE_BYTES + this.#sizeAt(this.#buffer, 0);
    const end = Math.min(total, this.#buffer.length);
    if (end - this.#filled < ROOM_FROM_BYTES) return undefined;
    return this.#buffer.subarray(this.#filled, end);
  }

  /** So many bytes were put into `room`: hands out the frame if that completes it. */
  filled(bytes: number, onFrame: (frame: Uint8Array) => void): void {
    this.#filled += bytes;
    this.#finish(onFrame);
  }

  /** Gives up an unfinished frame. */
  discard(): void {
    this.#filled = 0;
    this.#giveBuffer();
  }

  /** Hands out every frame that `chunk` completes. Throws MalformedError on a size that cannot be. */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#filled === 0) {
        const left = chunk.length - at;
        if (left >= SIZE_BYTES) {
          const size = this.#sizeAt(chunk, at);
          if (left - SIZE_BYTES >= size) {
            onFrame(chunk.subarray(at + SIZE_BYTES, at + SIZE_BYTES + size));
            at += SIZE_BYTES + size;
            continue;
          }
        }
      }
      at += this.#collect(chunk, at, onFrame);
    }
  }

  /** Takes bytes for the unfinished frame. @returns how many were taken. */
  #collect(chunk: Uint8Array, at: number, onFrame: (frame: Uint8Array) => void): number {
    const target =
      this.#filled < SIZE_BYTES ? SIZE_BYTES : SIZE_BYTES + this.#sizeAt(this.#buffer, 0);
    const take = Math.min(target - this.#filled, chunk.length - at);
    this.#reserve(this.#filled + take, target);
    this.#buffer.set(chunk.subarray(at, at + take), this.#filled);
    this.#filled += take;
    this.#finish(onFrame);
    return take;
  }

  #finish(onFrame: (frame: Uint8Array) => void): void {
    if (this.#filled < SIZE_BYTES) return;
    const total = SIZE_BYTES + this.#sizeAt(this.#buffer, 0);
    if (this.#filled < total) return;
    this.#filled = 0;
    try {
      onFrame(this.#buffer.subarray(SIZE_BYTES, total));
    } finally {
      this.#giveBuffer();
    }
  }

  #giveBuffer(): void {
    const buffer = this.#buffer;
    if (buffer.length === 0) return;
    this.#buffer = NO_BUFFER;
    this.#buffers.give(buffer);
  }

  #reserve(needed: number, target: number): void {
    if (needed <= this.#buffer.length) return;
    const grown = Math.max(
      needed,
      Math.min(target, Math.max(FIRST_CAPACITY, 2 * this.#buffer.length)),
    );
    const buffer = this.#buffers.take(grown, target);
    buffer.set(this.#buffer.subarray(0, this.#filled));
    this.#giveBuffer();
    this.#buffer = buffer;
  }

  #sizeAt(bytes: Uint8Array, at: number): number {
    const size =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0);
    if (size < 0 || size > this.#maxFrameBytes) {
      throw new MalformedError(`frame of ${String(size)} bytes`);
    }
    return size;
  }
}
