import net from "node:net";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { Listening, ListenOptions, Network } from "./frame-channel.ts";
import { RequestMemory } from "./request-memory.ts";
import { Admission } from "./tcp/admission.ts";
import { Receiver } from "./tcp/receiver.ts";
import { TcpChannel } from "./tcp/tcp-channel.ts";

/** How long what was already sent may take to leave after a close; one who does not read is not waited for. */
const LINGER_MS = 5000;
/** After so many times the patience the client of a request that waits for memory has given up. */
const WAITING_PATIENCE = 3;

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
  // Answers of other brokers: what they may be is asked for.
  const unbounded = new RequestMemory();
  return {
    connect(host, port, handlers, { timeout, maxFrameBytes }) {
      return new Promise((resolve, reject) => {
        const receiver = new Receiver(maxFrameBytes, unbounded);
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

    listen(host, port, accept, listenOptions) {
      const { maxFrameBytes, requests } = listenOptions;
      const open = new Map<TcpChannel, Receiver>();
      const admission = new Admission(listenOptions, logger);
      const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
        const address = accepted.remoteAddress ?? "?";
        const remote = `${address}:${accepted.remotePort ?? 0}`;
        if (!admission.admit(address, remote)) {
          accepted.destroy();
          return;
        }
        const receiver = new Receiver(maxFrameBytes, requests ?? unbounded);
        const socket = takeOver(accepted, receiver);
        const channel = new TcpChannel(socket, remote, lingerMs);
        open.set(channel, receiver);
        socket.once("close", () => {
          open.delete(channel);
          admission.leave(address);
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
      const sweep = cutSlowRequests(open, listenOptions, logger);
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
                clearInterval(sweep);
                server.close(() => {
                  closed();
                });
                for (const channel of open.keys()) channel.close();
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

/** While memory for requests is short, those that hold some of it for long without becoming whole are given up. */
function cutSlowRequests(
  open: ReadonlyMap<TcpChannel, Receiver>,
  { requests, slowRequestMs }: ListenOptions,
  logger: Logger,
): NodeJS.Timeout | undefined {
  if (requests === undefined || slowRequestMs === undefined) return undefined;
  return setInterval(() => {
    if (requests.room.waiting === 0) return;
    const now = performance.now();
    for (const [channel, { unfinishedSince, buffered }] of open) {
      // One that its connection does not want read is not to blame, nor one that waits for memory, for a while.
      if (channel.paused === "unwanted") continue;
      const patience =
        channel.paused === "memory" ? WAITING_PATIENCE * slowRequestMs : slowRequestMs;
      if (unfinishedSince === undefined || now - unfinishedSince < patience) continue;
      logger.warn("connection closed: a request does not become whole and memory is short", {
        remote: channel.remote,
        unfinishedRequestBytes: buffered,
      });
      channel.abort();
    }
  }, slowRequestMs / 4).unref();
}
