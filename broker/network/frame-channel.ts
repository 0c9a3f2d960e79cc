import type { Bytes, Millis } from "../../lib/units.ts";
import type { RequestMemory } from "./request-memory.ts";

/**
 * One connection that carries whole Kafka frames (the 4-byte size is added and taken off by the edge). The TCP edge is
 * `tcp-network.ts`; the simulator has its own with delay, loss of connection and partitions.
 */
export interface FrameChannel {
  /** For logs: address and port of the other side. */
  readonly remote: string;
  /**
   * Queues one frame made of the parts; order is kept. The parts must stay unchanged until `released` is called (once,
   * also when the channel closes first); without `released` they must never change.
   */
  send(parts: readonly Uint8Array[], released?: () => void): void;
  /** Bytes accepted by `send` that the other side has not yet taken. */
  readonly bufferedBytes: Bytes;
  /** Stops (or resumes) the delivery of frames; the socket is then not read, so the other side is slowed down. */
  setReading(reading: boolean): void;
  /** What was sent still leaves, if the other side takes it soon. */
  close(): void;
  /** At once: what was sent and not taken is dropped. */
  abort(): void;
}

export interface ChannelHandlers {
  /**
   * A whole frame without its size. Its bytes are valid only during this call: whoever needs them later copies them.
   * The edge reuses its receive buffers, which is what keeps the produce path free of garbage.
   */
  onFrame(frame: Uint8Array): void;
  /** `bufferedBytes` fell to zero after it had been above zero. */
  onDrain?(): void;
  /** Called once, whoever closed; `error` says why if it was not in order. */
  onClose(error: Error | undefined): void;
}

export interface ListenOptions {
  readonly maxFrameBytes: Bytes;
  /** Open connections; more are refused. */
  readonly maxConnections: number;
  /** The same of one address of clients. */
  readonly maxConnectionsPerIp?: (address: string) => number;
  /** Memory for requests that have not come whole. */
  readonly requests?: RequestMemory;
  /** While that memory is short, a request that has not come whole after this long ends its connection. */
  readonly slowRequestMs?: Millis;
}

export interface Listening {
  readonly port: number;
  /** Stops accepting; open channels live on until closed. */
  close(): Promise<void>;
}

export interface Network {
  /** Refused or timed out: rejects with an Error whose `code` is ECONNREFUSED, ETIMEDOUT, …. */
  connect(
    host: string,
    port: number,
    handlers: ChannelHandlers,
    options: { readonly timeout: Millis; readonly maxFrameBytes: Bytes },
  ): Promise<FrameChannel>;
  listen(
    host: string,
    port: number,
    accept: (channel: FrameChannel) => ChannelHandlers,
    options: ListenOptions,
  ): Promise<Listening>;
}
