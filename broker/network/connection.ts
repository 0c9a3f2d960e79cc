import type { Logger } from "../../lib/logger.ts";
import type { RequestConnection } from "../handlers/handler.ts";
import type { BrokerServices } from "../services.ts";
import { MalformedError } from "../protocol/reader.ts";
import { type Answer, type Dispatcher, textOf } from "./dispatch.ts";
import type { ChannelHandlers, FrameChannel } from "./frame-channel.ts";

/** Requests of one connection that may wait for their answers; beyond it the socket is not read. */
const MAX_IN_FLIGHT = 128;
/** Bytes that a client has not taken yet; beyond it the socket is not read. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** An answer's place in the order of a connection; a request that cannot be answered ends it there. */
interface Slot {
  answer: Answer | undefined;
  state: "waiting" | "answered" | "refused";
}

let nextConnectionId = 1;

/**
 * One client connection: requests are begun in the order they came, and answered in that order, whatever finishes first. A
 * client that sends more than it takes back is not read until it does. A request that is not the protocol's ends the
 * connection, as in Kafka: what came before it is answered, nothing after it is looked at. (sans I/O but for its channel)
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
  /** What had arrived when the bounds were reached: no more than the channel reads at once. */
  readonly #held: Uint8Array[] = [];
  #closed = false;
  #refused = false;
  #dropped = false;
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
    this.#drop();
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    for (const listener of listeners) listener();
  }

  onFrame(frame: Uint8Array): void {
    if (this.#closed || this.#refused) return;
    // The frame's bytes are valid during this call only.
    if (this.#held.length > 0 || !this.#mayBegin()) this.#held.push(frame.slice());
    else this.#begin(frame);
    this.#balance();
  }

  onDrain(): void {
    this.#balance();
  }

  #begin(frame: Uint8Array): void {
    const slot: Slot = { answer: undefined, state: "waiting" };
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
            this.#balance();
          },
          (error: unknown) => {
            this.#refuse(slot, error);
          },
        );
      } else this.#answered(slot, result);
    } catch (error) {
      this.#refuse(slot, error);
    }
  }

  #answered(slot: Slot, answer: Answer | undefined): void {
    if (this.#dropped) {
      answer?.release?.();
      return;
    }
    slot.answer = answer;
    slot.state = "answered";
    this.#deliver();
  }

  /** Sends what is at the head of the order. */
  #deliver(): void {
    for (;;) {
      const [next] = this.#slots;
      if (next === undefined || next.state === "waiting") return;
      if (next.state === "refused") {
        this.#drop();
        this.#channel.close();
        return;
      }
      this.#slots.shift();
      if (next.answer !== undefined) this.#channel.send(next.answer.parts, next.answer.release);
    }
  }

  /** Nothing more is sent: what is answered is given back, here and when it comes later. */
  #drop(): void {
    this.#dropped = true;
    for (const slot of this.#slots) slot.answer?.release?.();
    this.#slots.length = 0;
    this.#held.length = 0;
  }

  #refuse(slot: Slot, error: unknown): void {
    slot.state = "refused";
    if (this.#dropped) return;
    if (!this.#refused) {
      this.#refused = true;
      this.#held.length = 0;
      this.#report(error);
      this.#balance();
    }
    this.#deliver();
  }

  #report(error: unknown): void {
    const { remote } = this.#channel;
    if (error instanceof MalformedError) {
      this.#logger.warn("connection closed: bad request", { remote, error: error.message });
      return;
    }
    this.#logger.error("connection closed: request failed", { remote, error: textOf(error) });
  }

  #mayBegin(): boolean {
    return (
      !this.#closed &&
      !this.#refused &&
      this.#slots.length < MAX_IN_FLIGHT &&
      this.#channel.bufferedBytes < MAX_BUFFERED_BYTES
    );
  }

  /** Begins what was held back and reads on, as far as the bounds allow. */
  #balance(): void {
    while (this.#held.length > 0 && this.#mayBegin()) {
      const frame = this.#held.shift();
      if (frame !== undefined) this.#begin(frame);
    }
    if (this.#closed) return;
    const reading = this.#mayBegin();
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#channel.setReading(reading);
  }
}
