import type net from "node:net";
import type { Logger } from "../../../lib/logger.ts";
import { pageMemory } from "../../../lib/page-memory.ts";
import type { Millis } from "../../../lib/units.ts";
import { FrameSplitter } from "../../protocol/framing.ts";
import { MalformedError } from "../../protocol/reader.ts";
import type { ChannelHandlers } from "../frame-channel.ts";
import type { RequestMemory } from "../request-memory.ts";
import type { TcpChannel } from "./tcp-channel.ts";

const SCRATCH_BYTES = 64 * 1024;

/**
 * One receive buffer for all connections: what arrives is handled, or copied, before the next read. Only the rest of a large
 * frame is read straight to where it is put together.
 */
const scratch = pageMemory(SCRATCH_BYTES);

/** Where a socket's bytes go: through the splitter to the channel's handlers (edge). */
export class Receiver {
  readonly #splitter: FrameSplitter;
  readonly #memory: RequestMemory;
  #channel: TcpChannel | undefined;
  #handlers: ChannelHandlers | undefined;
  #logger: Logger | undefined;
  #begun = false;
  #unfinishedSince: Millis | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(maxFrameBytes: number, memory: RequestMemory) {
    this.#memory = memory;
    this.#splitter = new FrameSplitter(maxFrameBytes, memory);
  }

  readonly onread: net.OnReadOpts = {
    // Asked for after each read. Until the next one the memory is this frame's: it is given back when the frame is whole, and
    // then the buffer is another one, or when the socket is closed.
    buffer: () => this.#splitter.room ?? scratch,
    callback: (bytes: number, buffer: Uint8Array): boolean => {
      if (this.#channel === undefined) return true;
      try {
        if (buffer === scratch) this.#splitter.push(buffer.subarray(0, bytes), this.#deliver);
        else this.#splitter.filled(bytes, this.#deliver);
      } catch (error) {
        // What else is thrown is a fault of ours, and not to be taken for the other side's.
        if (!(error instanceof MalformedError)) throw error;
        this.#refuse(error, this.#begun ? undefined : otherProtocol(buffer));
      }
      this.#begun = true;
      if (this.#splitter.buffered > 0) this.#holdsPart();
      return true;
    },
  };

  /** Bytes of a frame that has not come whole. */
  get buffered(): number {
    return this.#splitter.buffered;
  }
  /** Since when there is one, or since it is read again; monotonic. */
  get unfinishedSince(): Millis | undefined {
    return this.#unfinishedSince;
  }

  attach(channel: TcpChannel, handlers: ChannelHandlers, logger: Logger): void {
    this.#channel = channel;
    this.#handlers = handlers;
    this.#logger = logger;
    channel.onResume = () => {
      if (this.#unfinishedSince !== undefined) this.#unfinishedSince = performance.now();
    };
    channel.attach({
      onFrame: (frame) => handlers.onFrame(frame),
      onDrain: () => handlers.onDrain?.(),
      onClose: (error) => {
        this.#splitter.discard();
        this.#holdsNothing();
        handlers.onClose(error);
      },
    });
  }

  readonly #deliver = (frame: Uint8Array): void => {
    if (this.#unfinishedSince !== undefined) this.#holdsNothing();
    if (this.#channel?.closed === false) this.#handlers?.onFrame(frame);
  };

  #refuse(error: Error, spoken: string | undefined): void {
    this.#logger?.warn("connection closed: not the protocol", {
      remote: this.#channel?.remote,
      error: error.message,
      ...(spoken === undefined ? {} : { spoken }),
    });
    this.#channel?.fail(error);
  }

  /** More of the frame is read when there is memory for it. */
  #holdsPart(): void {
    this.#unfinishedSince ??= performance.now();
    if (this.#memory.mayRead(this)) return;
    this.#channel?.setMemoryAllows(false);
    this.#stopWaiting = this.#memory.room.wait(() => {
      this.#stopWaiting = undefined;
      if (this.#memory.mayRead(this)) this.#channel?.setMemoryAllows(true);
    });
  }

  #holdsNothing(): void {
    this.#unfinishedSince = undefined;
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    this.#memory.done(this);
  }
}

/** What a client speaks that has come to the wrong port, by the first bytes. */
function otherProtocol(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x16 && bytes[1] === 0x03) return "TLS";
  const word = String.fromCharCode(...bytes.subarray(0, 4));
  return /^(GET |HEAD|POST|PUT |DELE|OPTI|PRI )/.test(word) ? "HTTP" : undefined;
}
