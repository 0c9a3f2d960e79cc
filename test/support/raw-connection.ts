import { once } from "node:events";
import net from "node:net";
import { concatBytes } from "../../lib/bytes.ts";
import { decodeResponse, encodeRequest } from "../../broker/protocol/headers.ts";
import type { MessageDefinition } from "../../broker/protocol/schema.ts";

/** A socket on which a test may write whatever it likes. */
export class RawConnection {
  readonly #socket: net.Socket;
  /** Resolves with all that the broker has sent, when it has closed. */
  readonly closed: Promise<Uint8Array>;
  /** Address and port of this end, as the broker logs it. */
  readonly local: string;
  #received: Uint8Array = new Uint8Array(0);
  #arrived: () => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.local = `127.0.0.1:${socket.localPort ?? 0}`;
    socket.on("data", (chunk: Buffer) => {
      this.#received = concatBytes([this.#received, chunk]);
      this.#arrived();
    });
    // A reset is a way to be closed.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#arrived();
        resolve(this.#received);
      });
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Nothing that comes is taken from the socket any more. */
  stopReading(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The next whole frame without its size. @throws Error when the broker closes first */
  async frame(): Promise<Uint8Array> {
    for (;;) {
      const bytes = this.#received;
      if (bytes.length >= 4) {
        const end = 4 + Buffer.from(bytes).readInt32BE();
        if (bytes.length >= end) {
          this.#received = bytes.subarray(end);
          return bytes.slice(4, end);
        }
      }
      if (this.#socket.destroyed) throw new Error("closed by the broker");
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
  }

  /** Sends a request and gives its answer. */
  async ask<Req, In, Res>(
    request: MessageDefinition<Req, In>,
    response: MessageDefinition<Res>,
    version: number,
    value: In,
  ): Promise<Res> {
    this.write(requestFrame(request, version, value));
    return decodeResponse(response, version, await this.frame()).value;
  }
}

/** A request with its size, as it goes over the wire. */
export function requestFrame<Req, In>(
  request: MessageDefinition<Req, In>,
  version: number,
  value: In,
): Uint8Array {
  return framed(...encodeRequest(request, version, 1, "test", value));
}

/** Bytes with their size before them. */
export function framed(...parts: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(parts);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return concatBytes([size, body]);
}

/** A request's header of version 1, with whatever key and version, and no client id. */
export function bareHeader(apiKey: number, version: number, correlationId = 1): Uint8Array {
  const header = Buffer.alloc(10);
  header.writeInt16BE(apiKey);
  header.writeInt16BE(version, 2);
  header.writeInt32BE(correlationId, 4);
  header.writeInt16BE(-1, 8);
  return header;
}
