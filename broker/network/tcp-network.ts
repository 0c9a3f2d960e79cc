import net from "node:net";
import { totalLength } from "../../lib/bytes.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import { FrameSplitter } from "../protocol/framing.ts";
import type { ChannelHandlers, FrameChannel, Listening, Network } from "./frame-channel.ts";

const SCRATCH_BYTES = 64 * 1024;

/** One receive buffer for all connections: what arrives is handled, or copied, before the next read. */
const scratch = new Uint8Array(SCRATCH_BYTES);

/**
 * Kafka's framing over TCP (edge). Sockets read into one reused buffer (`onread`), which Node offers to connecting sockets only: an
 * accepted one is taken over by its handle before it has read anything.
 */
export function createTcpNetwork(options: {
  readonly logger: Logger;
  readonly idleMs?: Millis;
}): Network {
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
          const channel = new TcpChannel(socket, `${host}:${port}`);
          receiver.attach(channel, handlers, options.logger);
          resolve(channel);
        });
      });
    },

    listen(host, port, accept, { maxFrameBytes, maxConnections }) {
      const open = new Set<TcpChannel>();
      const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
        const remote = `${accepted.remoteAddress ?? "?"}:${accepted.remotePort ?? 0}`;
        if (open.size >= maxConnections) {
          options.logger.warn("connection refused: max.connections reached", {
            remote,
            maxConnections,
          });
          accepted.destroy();
          return;
        }
        const receiver = new Receiver(maxFrameBytes);
        const socket = takeOver(accepted, receiver);
        const channel = new TcpChannel(socket, remote);
        open.add(channel);
        socket.once("close", () => {
          open.delete(channel);
          // Without its handle it is only what the server counts its connections by.
          accepted.destroy();
        });
        if (options.idleMs !== undefined) {
          socket.setTimeout(options.idleMs, () => socket.destroy());
        }
        receiver.attach(channel, accept(channel), options.logger);
        socket.resume();
      });
      return new Promise<Listening>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host, port, backlog: 1024 }, () => {
          server.removeListener("error", reject);
          server.on("error", (error) => {
            options.logger.warn("listener", { error: error.message });
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
  #fail: ((error: Error) => void) | undefined;

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
        this.#fail?.(error instanceof Error ? error : new Error(String(error)));
      }
      return true;
    },
  };

  attach(channel: TcpChannel, handlers: ChannelHandlers, logger: Logger): void {
    this.#deliver = (frame) => {
      if (!channel.closed) handlers.onFrame(frame);
    };
    this.#fail = (error) => {
      logger.warn("connection closed: not the protocol", {
        remote: channel.remote,
        error: error.message,
      });
      channel.fail(error);
    };
    channel.attach(handlers);
  }
}

class TcpChannel implements FrameChannel {
  readonly remote: string;
  readonly #socket: net.Socket;
  #corked = false;
  #error: Error | undefined;
  closed = false;

  constructor(socket: net.Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
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
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }
}
