import { totalLength } from "../../lib/bytes.ts";
import type { Timer } from "../../lib/clock.ts";
import { ListenerList } from "../../lib/listener-list.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Bytes, Millis } from "../../lib/units.ts";
import type { RequestConnection } from "../handlers/handler.ts";
import type { BrokerServices } from "../services.ts";
import { MalformedError } from "../protocol/reader.ts";
import { type Answer, type Dispatcher, textOf } from "./dispatch.ts";
import type { ChannelHandlers, FrameChannel } from "./frame-channel.ts";
import type { ListenerLimits } from "./listener-limits.ts";
import type { AnsweredClient } from "./slow-clients.ts";

/** Requests of one connection that may wait for their answers; beyond it the socket is not read. */
const MAX_IN_FLIGHT = 128;
/** Bytes that a client has not taken yet; beyond it the socket is not read. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** An answer's place in the order of a connection; a request that cannot be answered ends it there. */
interface Slot {
  answer: Answer | undefined;
  /** Memory of the answer's own, which is counted. */
  ownBytes: Bytes;
  state: "waiting" | "answered" | "refused";
}

/** Larger requests wait in memory that is used again; many small ones may come in one piece, and take no more than they are. */
const SMALL_BYTES = 64 * 1024;

/** A request that has to wait. */
interface HeldFrame {
  readonly frame: Uint8Array;
  /** What it lies in, if that is to be given back. */
  readonly buffer: Uint8Array | undefined;
}

let nextConnectionId = 1;

const PRODUCE_KEY = 0;

/**
 * One client connection: requests are begun in the order they came, and answered in that order, whatever finishes first. A
 * client that sends more than it takes back is not read until it does, nor one whose records the volume cannot take yet:
 * nothing is dropped for want of memory, it is waited for (listener-limits.ts). One that was told to wait is not read until
 * the time is over, whether it waits or not (KIP-219). A request that is not the protocol's ends the
 * connection, as in Kafka: what came before it is answered, nothing after it is looked at. (sans I/O but for its channel)
 */
export class Connection implements ChannelHandlers, RequestConnection, AnsweredClient {
  readonly id = nextConnectionId++;
  readonly #channel: FrameChannel;
  readonly #dispatcher: Dispatcher;
  readonly #services: BrokerServices;
  readonly #listener: string;
  readonly #logger: Logger;
  readonly #limits: ListenerLimits;
  readonly #slots: Slot[] = [];
  readonly #closeListeners = new ListenerList();
  readonly #nextListeners = new ListenerList();
  /** What had arrived when the bounds were reached: no more than the channel reads at once. */
  readonly #held: HeldFrame[] = [];
  #closed = false;
  #refused = false;
  #dropped = false;
  #reading = true;
  /** Answers that are with the channel. */
  #untaken = 0;
  /** Since when there are some, or the last one was taken. */
  #untakenSince: Millis = 0;
  #stopWaiting: (() => void) | undefined;
  /** Until when no request is begun. */
  #muted: { readonly until: Millis; readonly timer: Timer } | undefined;
  /** It is its turn to have a request taken by the volume. */
  #passing = false;

  constructor(options: {
    readonly channel: FrameChannel;
    readonly dispatcher: Dispatcher;
    readonly services: BrokerServices;
    readonly listener: string;
    readonly logger: Logger;
    readonly limits: ListenerLimits;
  }) {
    this.#limits = options.limits;
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
    return this.#closeListeners.add(listener);
  }

  whenNext(listener: () => void): () => void {
    return this.#nextListeners.add(listener);
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#muted?.timer.cancel();
    this.#drop();
    this.#closeListeners.call();
  }

  onFrame(frame: Uint8Array): void {
    if (this.#closed || this.#refused) return;
    // The frame's bytes are valid during this call only.
    if (this.#held.length > 0 || !this.#mayBegin(frame)) this.#hold(frame);
    else this.#begin(frame);
    this.#balance();
  }

  onDrain(): void {
    this.#balance();
  }

  mute(duration: Millis): void {
    const { scheduler } = this.#services.environment;
    const until = scheduler.now() + duration;
    if (this.#closed || (this.#muted !== undefined && this.#muted.until >= until)) return;
    this.#muted?.timer.cancel();
    const timer = scheduler.after(duration, () => {
      this.#muted = undefined;
      this.#balance();
    });
    this.#muted = { until, timer };
    this.#balance();
  }

  #begin(frame: Uint8Array): void {
    const slot: Slot = { answer: undefined, ownBytes: 0, state: "waiting" };
    this.#slots.push(slot);
    this.#nextListeners.call();
    try {
      const result = this.#dispatcher.dispatch(frame, {
        services: this.#services,
        clientHost: this.#channel.remote,
        listener: this.#listener,
        connection: this,
        answers: this.#limits.answers,
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
    if (answer !== undefined && answer.throttleMs > 0) this.mute(answer.throttleMs);
    // What is held for an answer is counted where it is held.
    if (answer !== undefined && answer.release === undefined) {
      slot.ownBytes = totalLength(answer.parts);
      this.#limits.answers.hold(slot.ownBytes);
    }
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
      if (next.answer !== undefined) this.#send(next.answer, next.ownBytes);
    }
  }

  #send({ parts, release }: Answer, ownBytes: Bytes): void {
    const limits = this.#limits;
    if (this.#untaken++ === 0) this.#untakenSince = limits.now();
    this.#channel.send(parts, () => {
      release?.();
      limits.answers.giveBack(ownBytes);
      this.#untakenSince = limits.now();
      if (--this.#untaken === 0) this.#balance();
    });
  }

  get waitingSince(): Millis | undefined {
    return this.#untaken === 0 || this.#closed ? undefined : this.#untakenSince;
  }

  stalled(waitedMs: Millis): void {
    this.#logger.warn("connection closed: answers are not taken and memory is short", {
      remote: this.#channel.remote,
      waitedMs: Math.round(waitedMs),
      untakenBytes: this.#channel.bufferedBytes,
    });
    this.#channel.abort();
  }

  /** Nothing more is sent: what is answered is given back, here and when it comes later. */
  #drop(): void {
    this.#dropped = true;
    for (const { answer, ownBytes } of this.#slots) {
      answer?.release?.();
      this.#limits.answers.giveBack(ownBytes);
    }
    this.#slots.length = 0;
    this.#dropHeld();
  }

  /** A client that sends faster than the volume takes it has most of its requests held: no memory is made for each. */
  #hold(frame: Uint8Array): void {
    const { requests } = this.#limits;
    if (frame.length <= SMALL_BYTES) {
      requests.hold(frame.length);
      this.#held.push({ frame: frame.slice(), buffer: undefined });
      return;
    }
    const buffer = requests.take(frame.length);
    buffer.set(frame);
    this.#held.push({ frame: buffer.subarray(0, frame.length), buffer });
  }

  #letGo({ frame, buffer }: HeldFrame): void {
    if (buffer === undefined) this.#limits.requests.giveBack(frame.length);
    else this.#limits.requests.give(buffer);
  }

  #dropHeld(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    for (const held of this.#held.splice(0)) this.#letGo(held);
  }

  #refuse(slot: Slot, error: unknown): void {
    slot.state = "refused";
    if (this.#dropped) return;
    if (!this.#refused) {
      this.#refused = true;
      this.#dropHeld();
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

  /** Whether another request may be begun, or, without one, read. */
  #mayBegin(frame?: Uint8Array): boolean {
    const { answers, intake } = this.#limits;
    return (
      !this.#closed &&
      !this.#refused &&
      this.#muted === undefined &&
      this.#slots.length < MAX_IN_FLIGHT &&
      this.#channel.bufferedBytes < MAX_BUFFERED_BYTES &&
      (this.#untaken === 0 || !answers.short) &&
      // Behind those that wait already, each of which has its turn for one request.
      (frame === undefined ||
        !isProduce(frame) ||
        (intake.open && (this.#passing || intake.waiting === 0)))
    );
  }

  /** Begins what was held back and reads on, as far as the bounds allow. */
  #balance(): void {
    while (this.#beginHeld());
    if (this.#closed) return;
    this.#waitForIntake();
    const reading = this.#held.length === 0 && this.#mayBegin();
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#channel.setReading(reading);
  }

  /** Begins the first that is held back, if it may be. */
  #beginHeld(): boolean {
    const [held] = this.#held;
    if (held === undefined || !this.#mayBegin(held.frame)) return false;
    this.#held.shift();
    this.#begin(held.frame);
    // What has begun needs its bytes no longer.
    this.#letGo(held);
    return true;
  }

  /** Takes a place in the line of those whose records the volume cannot take yet. */
  #waitForIntake(): void {
    const [held] = this.#held;
    const { intake } = this.#limits;
    if (held === undefined || this.#stopWaiting !== undefined) return;
    if (!isProduce(held.frame) || (intake.open && intake.waiting === 0)) return;
    this.#stopWaiting = intake.wait(() => {
      this.#stopWaiting = undefined;
      this.#passing = true;
      this.#beginHeld();
      this.#passing = false;
      this.#balance();
    });
  }
}

function isProduce(frame: Uint8Array): boolean {
  return frame.length >= 2 && ((frame[0] ?? 0) << 8) + (frame[1] ?? 0) === PRODUCE_KEY;
}
