import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { decodeResponse, encodeRequest } from "../protocol/headers.ts";
import type { MessageDefinition } from "../protocol/schema.ts";
import type { FrameChannel, Network } from "./frame-channel.ts";

interface Waiting {
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onError: (error: Error) => void;
  readonly timer: Timer;
}

/** A request got no answer: the connection broke, could not be made, or the time was up. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** ECONNREFUSED, ETIMEDOUT, ECONNRESET, … */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Bound of one answer between brokers. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024;

/**
 * One connection to another broker's internal listener. Answers are handed over within the turn in which their frame
 * arrived, since a frame's bytes are valid no longer (frame-channel.ts).
 */
export class RpcClient {
  readonly #scheduler: Scheduler;
  readonly #clientId: string;
  readonly #waiting = new Map<number, Waiting>();
  #channel: FrameChannel | undefined;
  #nextCorrelationId = 1;
  #closed: Error | undefined;
  readonly #onClose: ((error: Error | undefined) => void) | undefined;

  private constructor(
    scheduler: Scheduler,
    clientId: string,
    onClose?: (error: Error | undefined) => void,
  ) {
    this.#scheduler = scheduler;
    this.#clientId = clientId;
    this.#onClose = onClose;
  }

  /** Rejects with the network's error (`code` ECONNREFUSED, ETIMEDOUT, …). `onClose` is called at most once, later. */
  static async connect(options: {
    readonly network: Network;
    readonly scheduler: Scheduler;
    readonly host: string;
    readonly port: number;
    readonly clientId: string;
    readonly timeout: Millis;
    readonly onClose?: (error: Error | undefined) => void;
  }): Promise<RpcClient> {
    const client = new RpcClient(options.scheduler, options.clientId, options.onClose);
    const channel = await options.network.connect(
      options.host,
      options.port,
      {
        onFrame: (frame) => {
          client.#received(frame);
        },
        onClose: (error) => {
          client.#failed(error);
        },
      },
      { timeout: options.timeout, maxFrameBytes: MAX_FRAME_BYTES },
    );
    client.#channel = channel;
    return client;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Sends one request; exactly one of the callbacks is called, the first within the turn of the frame's arrival. */
  send<Req, Res>(
    request: MessageDefinition<Req>,
    response: MessageDefinition<Res>,
    version: number,
    value: Parameters<MessageDefinition<Req>["encode"]>[0],
    timeout: Millis,
    onAnswer: (answer: Res) => void,
    onError: (error: Error) => void,
  ): void {
    const channel = this.#channel;
    if (this.#closed !== undefined || channel === undefined) {
      onError(this.#closed ?? new RpcError("ENOTCONN", "not connected"));
      return;
    }
    const correlationId = this.#nextCorrelationId++;
    const timer = this.#scheduler.after(timeout, () => {
      if (!this.#waiting.has(correlationId)) return;
      const error = new RpcError("ETIMEDOUT", `no answer from ${channel.remote}`);
      // Answers come in order: one that is late holds up all behind it.
      this.#failed(error);
      channel.close();
    });
    this.#waiting.set(correlationId, {
      timer,
      onError,
      onFrame: (frame) => {
        onAnswer(decodeResponse(response, version, frame).value);
      },
    });
    channel.send(encodeRequest(request, version, correlationId, this.#clientId, value));
  }

  close(): void {
    this.#channel?.close();
    this.#failed(new RpcError("ECONNABORTED", "closed"));
  }

  #received(frame: Uint8Array): void {
    const correlationId = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getInt32(
      0,
    );
    const waiting = this.#waiting.get(correlationId);
    if (waiting === undefined) return;
    this.#waiting.delete(correlationId);
    waiting.timer.cancel();
    waiting.onFrame(frame);
  }

  #failed(error: Error | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = error ?? new RpcError("ECONNRESET", "connection closed");
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) {
      one.timer.cancel();
      one.onError(this.#closed);
    }
    this.#onClose?.(error);
  }
}
