import { once } from "node:events";
import net from "node:net";
import { concatBytes } from "../../lib/bytes.ts";
import { decodeResponse, encodeRequest } from "../../broker/protocol/headers.ts";
import type { MessageDefinition } from "../../broker/protocol/schema.ts";

/** A socket on which a test may write whatever it likes. */
export class RawConnection {
  readonly #socket: net.Socket;
  /** Resolves with what the broker has sent and nobody has taken as a frame, when it has closed. */
  readonly closed: Promise<Uint8Array>;
  /** Address and port of this end, as the broker logs it. */
  readonly local: string;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #arrived: () => void = () => undefined;

  private constructor(socket: net.Socket, readBytes: number) {
    this.#socket = socket;
    this.local = `127.0.0.1:${socket.localPort ?? 0}`;
    let left = readBytes;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      left -= chunk.length;
      if (left <= 0) socket.pause();
      this.#arrived();
    });
    // A reset is a way to be closed.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#arrived();
        resolve(concatBytes(this.#chunks));
      });
    });
  }

  /** @param readBytes after which nothing more is taken from the socket. */
  static async open(port: number, { readBytes = Infinity } = {}): Promise<RawConnection> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawConnection(socket, readBytes);
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The next whole frame without its size. @throws Error when the broker closes first */
  async frame(): Promise<Uint8Array> {
    for (;;) {
      const size = this.#frameSize();
      if (size !== undefined && this.#length >= 4 + size) {
        const bytes = concatBytes(this.#chunks);
        this.#chunks = bytes.length > 4 + size ? [bytes.subarray(4 + size)] : [];
        this.#length -= 4 + size;
        return bytes.slice(4, 4 + size);
      }
      if (this.#socket.destroyed) throw new Error("closed by the broker");
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
  }

  #frameSize(): number | undefined {
    if (this.#length < 4) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < 4) this.#chunks = [concatBytes(this.#chunks)];
    const [first = new Uint8Array(4)] = this.#chunks;
    return new DataView(first.buffer, first.byteOffset).getInt32(0);
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
