import net from "node:net";
import { totalLength } from "../../lib/bytes.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import { FrameSplitter } from "../protocol/framing.ts";
import { MalformedError } from "../protocol/reader.ts";
import type { ChannelHandlers, FrameChannel, Listening, Network } from "./frame-channel.ts";

const SCRATCH_BYTES = 64 * 1024;
/** How long what was already sent may take to leave after a close; one who does not read is not waited for. */
const LINGER_MS = 5000;

/** One receive buffer for all connections: what arrives is handled, or copied, before the next read. */
const scratch = new Uint8Array(SCRATCH_BYTES);

/**
 * Kafka's framing over TCP (edge). Sockets read into one reused buffer (`onread`), which Node offers to connecting sockets only: an
 * accepted one is taken over by its handle before it has read anything.
 */
export function createTcpNetwork(options: {
  readonly logger: Logger;
  /** connections.max.idle.ms: an accepted connection on which nothing moves for so long is closed; never without it. */
  readonly idleMs?: Millis;
  readonly lingerMs?: Millis;
}): Network {
  const { logger, idleMs, lingerMs = LINGER_MS } = options;
  return {
    connect(host, port, handlers, { timeout, maxFrameBytes }) {
      return new Promise((resolve, reject) => {
        const receiver = new Receiver(maxFrameBytes);
        const socket = net.connect({ host, port, noDelay: true, onread: receiver.onread });
        const timer = setTimeout(() => {
          const error = Object.assign(new Error(`connect to ${host}:${port} timed out`), {
            code: "ETIMEDOUT",
          });
          socket.destroy(error);
        }, timeout);
        socket.once("error", (error) => {
          clearTimeout(timer);
          reject(error);
        });
        socket.once("connect", () => {
          clearTimeout(timer);
          socket.removeAllListeners("error");
          const channel = new TcpChannel(socket, `${host}:${port}`, lingerMs);
          receiver.attach(channel, handlers, logger);
          resolve(channel);
        });
      });
    },

    listen(host, port, accept, { maxFrameBytes, maxConnections }) {
      const open = new Set<TcpChannel>();
      const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
        const remote = `${accepted.remoteAddress ?? "?"}:${accepted.remotePort ?? 0}`;
        if (open.size >= maxConnections) {
          logger.warn("connection refused: max.connections reached", {
            remote,
            maxConnections,
          });
          accepted.destroy();
          return;
        }
        const receiver = new Receiver(maxFrameBytes);
        const socket = takeOver(accepted, receiver);
        const channel = new TcpChannel(socket, remote, lingerMs);
        open.add(channel);
        socket.once("close", () => {
          open.delete(channel);
          // Without its handle it is only what the server counts its connections by.
          accepted.destroy();
        });
        if (idleMs !== undefined) {
          socket.setTimeout(idleMs, () => {
            reportIdle(logger, channel, receiver, idleMs);
            socket.destroy();
          });
        }
        receiver.attach(channel, accept(channel), logger);
        socket.resume();
      });
      return new Promise<Listening>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host, port, backlog: 1024 }, () => {
          server.removeListener("error", reject);
          server.on("error", (error) => {
            logger.warn("listener", { error: error.message });
          });
          const address = server.address();
          resolve({
            port: typeof address === "object" && address !== null ? address.port : port,
            close: () =>
              new Promise((closed) => {
                server.close(() => {
                  closed();
                });
                for (const channel of open) channel.close();
              }),
          });
        });
      });
    },
  };
}

/** An unused connection is nothing to speak of; one that holds memory here without going on is. */
function reportIdle(logger: Logger, channel: TcpChannel, receiver: Receiver, idleMs: Millis): void {
  const { remote, bufferedBytes } = channel;
  if (receiver.buffered === 0 && bufferedBytes === 0) {
    logger.debug("connection closed: idle", { remote });
    return;
  }
  logger.warn("connection closed: nothing moved", {
    remote,
    idleMs,
    unfinishedRequestBytes: receiver.buffered,
    untakenAnswerBytes: bufferedBytes,
  });
}

/** A socket of our own on the handle of an accepted one that has not read yet. */
function takeOver(accepted: net.Socket, receiver: Receiver): net.Socket {
  const holder = accepted as unknown as { _handle: { readonly reading?: boolean } | null };
  const handle = holder._handle;
  holder._handle = null;
  const options = { handle, onread: receiver.onread, allowHalfOpen: false, pauseOnCreate: true };
  const socket = new net.Socket(options);
  socket.setNoDelay(true);
  return socket;
}

/** Where a socket's bytes go: through the splitter to the channel's handlers. */
class Receiver {
  readonly #splitter: FrameSplitter;
  #deliver: ((frame: Uint8Array) => void) | undefined;
  #fail: ((error: Error, spoken: string | undefined) => void) | undefined;
  #begun = false;

  constructor(maxFrameBytes: number) {
    this.#splitter = new FrameSplitter(maxFrameBytes);
  }

  readonly onread: net.OnReadOpts = {
    buffer: scratch,
    callback: (bytes: number, buffer: Uint8Array): boolean => {
      const deliver = this.#deliver;
      if (deliver === undefined) return true;
      try {
        this.#splitter.push(buffer.subarray(0, bytes), deliver);
      } catch (error) {
        // What else is thrown is a fault of ours, and not to be taken for the other side's.
        if (!(error instanceof MalformedError)) throw error;
        this.#fail?.(error, this.#begun ? undefined : otherProtocol(buffer));
      }
      this.#begun = true;
      return true;
    },
  };

  /** Bytes of a frame that has not come whole. */
  get buffered(): number {
    return this.#splitter.buffered;
  }

  attach(channel: TcpChannel, handlers: ChannelHandlers, logger: Logger): void {
    this.#deliver = (frame) => {
      if (!channel.closed) handlers.onFrame(frame);
    };
    this.#fail = (error, spoken) => {
      logger.warn("connection closed: not the protocol", {
        remote: channel.remote,
        error: error.message,
        ...(spoken === undefined ? {} : { spoken }),
      });
      channel.fail(error);
    };
    channel.attach(handlers);
  }
}

/** What a client speaks that has come to the wrong port, by the first bytes. */
function otherProtocol(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x16 && bytes[1] === 0x03) return "TLS";
  const word = String.fromCharCode(...bytes.subarray(0, 4));
  return /^(GET |HEAD|POST|PUT |DELE|OPTI|PRI )/.test(word) ? "HTTP" : undefined;
}

class TcpChannel implements FrameChannel {
  readonly remote: string;
  readonly #socket: net.Socket;
  #corked = false;
  readonly #lingerMs: Millis;
  #error: Error | undefined;
  closed = false;

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
    for (let i = 0; i < last; i++) this.#socket.write(parts[i] ?? new Uint8Array(0));
    this.#socket.write(parts[last] ?? new Uint8Array(0), () => released?.());
  }

  setReading(reading: boolean): void {
    if (reading) this.#socket.resume();
    else this.#socket.pause();
  }

  close(): void {
    this.#socket.destroySoon();
    if (this.#socket.destroyed) return;
    const timer = setTimeout(() => this.#socket.destroy(), this.#lingerMs);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }
}
