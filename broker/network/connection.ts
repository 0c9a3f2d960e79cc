import type { Logger } from "../../lib/logger.ts";
import type { RequestConnection } from "../handlers/handler.ts";
import type { BrokerServices } from "../services.ts";
import { MalformedError } from "../protocol/reader.ts";
import type { Answer, Dispatcher } from "./dispatch.ts";
import type { ChannelHandlers, FrameChannel } from "./frame-channel.ts";

/** Requests of one connection that may wait for their answers; beyond it the socket is not read. */
const MAX_IN_FLIGHT = 128;
/** Bytes that a client has not taken yet; beyond it the socket is not read. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** An answer's place in the order of a connection. */
interface Slot {
  answer: Answer | undefined;
  done: boolean;
}

let nextConnectionId = 1;

/**
 * One client connection: requests are begun in the order they came, and answered in that order, whatever finishes first. A
 * client that sends more than it takes back is not read until it does (sans I/O but for its channel).
 */
export class Connection implements ChannelHandlers, RequestConnection {
  readonly id = nextConnectionId++;
  readonly #channel: FrameChannel;
  readonly #dispatcher: Dispatcher;
  readonly #services: BrokerServices;
  readonly #listener: string;
  readonly #logger: Logger;
  readonly #slots: Slot[] = [];
  readonly #closeListeners = new Set<() => void>();
  #closed = false;
  #reading = true;

  constructor(options: {
    readonly channel: FrameChannel;
    readonly dispatcher: Dispatcher;
    readonly services: BrokerServices;
    readonly listener: string;
    readonly logger: Logger;
  }) {
    this.#channel = options.channel;
    this.#dispatcher = options.dispatcher;
    this.#services = options.services;
    this.#listener = options.listener;
    this.#logger = options.logger;
  }

  whenClosed(listener: () => void): () => void {
    if (this.#closed) {
      listener();
      return () => undefined;
    }
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const slot of this.#slots) slot.answer?.release?.();
    this.#slots.length = 0;
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    for (const listener of listeners) listener();
  }

  onFrame(frame: Uint8Array): void {
    if (this.#closed) return;
    const slot: Slot = { answer: undefined, done: false };
    this.#slots.push(slot);
    try {
      const result = this.#dispatcher.dispatch(frame, {
        services: this.#services,
        clientHost: this.#channel.remote,
        listener: this.#listener,
        connection: this,
      });
      if (result instanceof Promise) {
        result.then(
          (answer) => {
            this.#answered(slot, answer);
          },
          (error: unknown) => {
            this.#refuse(error);
          },
        );
      } else this.#answered(slot, result);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#balance();
  }

  onDrain(): void {
    this.#balance();
  }

  #answered(slot: Slot, answer: Answer | undefined): void {
    if (this.#closed) {
      answer?.release?.();
      return;
    }
    slot.answer = answer;
    slot.done = true;
    while (this.#slots[0]?.done === true) {
      const next = this.#slots.shift();
      if (next?.answer !== undefined) this.#channel.send(next.answer.parts, next.answer.release);
    }
    this.#balance();
  }

  #refuse(error: unknown): void {
    if (this.#closed) return;
    const expected = error instanceof MalformedError;
    this.#logger[expected ? "info" : "error"]("connection closed: request refused", {
      remote: this.#channel.remote,
      error:
        error instanceof Error
          ? expected
            ? error.message
            : (error.stack ?? error.message)
          : String(error),
    });
    this.#channel.close();
  }

  #balance(): void {
    if (this.#closed) return;
    const reading =
      this.#slots.length < MAX_IN_FLIGHT && this.#channel.bufferedBytes < MAX_BUFFERED_BYTES;
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#channel.setReading(reading);
  }
}
