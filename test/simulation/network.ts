import type {
  ChannelHandlers,
  FrameChannel,
  Listening,
  Network,
} from "../../broker/network/frame-channel.ts";
import type { Random } from "../../lib/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimProcess } from "./process.ts";

interface Listener {
  readonly process: SimProcess;
  readonly accept: (channel: FrameChannel) => ChannelHandlers;
}

/** What travels one way of a connection. */
type Parcel =
  | {
      readonly kind: "frame";
      readonly due: number;
      readonly bytes: Uint8Array;
      /** The sender's own memory: it must say the same until it is released. */
      readonly parts: readonly Uint8Array[];
      readonly released: (() => void) | undefined;
    }
  | { readonly kind: "end"; readonly due: number; readonly error: Error | undefined };

const DELAY_MIN_MS = 0.05;
const DELAY_SPREAD_MS = 0.6;
/** One in so many frames is late. */
const LATE_ONE_IN = 60;
const LATE_SPREAD_MS = 30;
const BACKLOG = 100;
/** What was sent before a connection broke for its sender may arrive so much later. */
const HALF_OPEN_MS = 3000;

/**
 * The network of all hosts: connections keep their order, and lose nothing but by breaking, as TCP does. A cut stops what
 * travels; when it heals, what was under way arrives late, or the connection breaks. Frames are handed over in memory
 * that is overwritten afterwards: whoever keeps one finds garbage.
 */
export class SimNetwork {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #listeners = new Map<string, Listener>();
  /** How many faults stop each way from host to host. */
  readonly #cuts = new Map<string, number>();
  /** Hosts whose machine is off: nobody answers, not even with a refusal. */
  readonly #dark = new Set<string>();
  readonly #directions = new Set<Direction>();
  /** Longest time on the way, but for late frames. */
  spreadMs = DELAY_SPREAD_MS;
  /** Called when a process breaks a rule of the interface. */
  onFault: (message: string) => void = () => undefined;

  constructor(clock: SimClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The network as one process sees it. */
  of(process: SimProcess): Network {
    return {
      connect: (host, port, handlers, options) =>
        this.#connect(process, host, port, handlers, options.timeout),
      listen: (host, port, accept) => this.#listen(process, host, port, accept),
    };
  }

  /** Stops what travels from one host to another. */
  cut(from: string, to: string): void {
    const way = `${from}>${to}`;
    this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
  }

  /** One cut is mended. Connections that were cut go on, or break, as chance has it. */
  mend(from: string, to: string): void {
    const way = `${from}>${to}`;
    const cuts = this.#cuts.get(way) ?? 0;
    if (cuts > 1) this.#cuts.set(way, cuts - 1);
    else if (this.#cuts.delete(way)) this.#resume((other) => other === way);
  }

  /** All cuts are mended, and the network is quick. */
  heal(): void {
    this.spreadMs = DELAY_SPREAD_MS;
    const cut = new Set(this.#cuts.keys());
    this.#cuts.clear();
    if (cut.size > 0) this.#resume((way) => cut.has(way));
  }

  /** Every connection of a host breaks: for both ends at once, or for one of them, and the other hears of it late. */
  reset(host: string): void {
    for (const direction of [...this.#directions]) {
      if (direction.from.host === host) this.#break(direction);
    }
  }

  #break(direction: Direction): void {
    const late = this.#random.below(2) === 0 ? direction : direction.back;
    if (!this.#toServer(late) || this.#random.below(2) === 0) direction.breakBoth("ECONNRESET");
    else late.breakLate(this.#random.next() * HALF_OPEN_MS);
  }

  #resume(mended: (way: string) => boolean): void {
    for (const direction of [...this.#directions]) {
      if (!mended(`${direction.from.host}>${direction.to.host}`)) continue;
      if (this.#random.next() < 0.3) this.#break(direction);
      else {
        // TCP sends again what was lost when its timer says so; a new connection is there at once.
        const late = this.#toServer(direction) && this.#random.below(2) === 0;
        direction.resume(late ? this.#random.next() * HALF_OPEN_MS : 0);
      }
    }
  }

  /** A client that is told of an acknowledgement after its time would be told of what may be lost by now. */
  #toServer(direction: Direction): boolean {
    return [...this.#listeners.values()].some(({ process }) => process === direction.to);
  }

  /** The machine went off: its peers hear nothing. */
  darken(host: string): void {
    this.#dark.add(host);
  }

  /** The machine is on again: what is sent on old connections is answered by a reset. */
  lighten(host: string): void {
    this.#dark.delete(host);
    for (const direction of [...this.#directions]) {
      if (direction.to.host === host && !direction.to.alive) direction.breakBoth("ECONNRESET");
    }
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`) || this.#dark.has(from) || this.#dark.has(to);
  }

  delay(): number {
    const late = this.#random.below(LATE_ONE_IN) === 0 ? this.#random.next() * LATE_SPREAD_MS : 0;
    return DELAY_MIN_MS + this.#random.next() * this.spreadMs + late;
  }

  #listen(
    process: SimProcess,
    host: string,
    port: number,
    accept: (channel: FrameChannel) => ChannelHandlers,
  ): Promise<Listening> {
    const key = `${process.host}:${port}`;
    if (this.#listeners.get(key)?.process.alive === true) {
      return Promise.reject(netError("EADDRINUSE", `${host}:${port} is in use`));
    }
    const listener = { process, accept };
    this.#listeners.set(key, listener);
    const close = (): Promise<void> => {
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
      return Promise.resolve();
    };
    process.onEnd(() => void close());
    return Promise.resolve({ port, close });
  }

  #connect(
    from: SimProcess,
    host: string,
    port: number,
    handlers: ChannelHandlers,
    timeout: number,
  ): Promise<FrameChannel> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const fail = (code: string): void => {
        if (settled) return;
        settled = true;
        from.run(() => {
          reject(netError(code, `${host}:${port}`));
        });
      };
      this.#clock.after(timeout, () => {
        fail("ETIMEDOUT");
      });
      if (this.isCut(from.host, host)) return;
      this.#clock.after(this.delay(), () => {
        if (settled || !from.alive || this.isCut(host, from.host)) return;
        const listener = this.#listeners.get(`${host}:${port}`);
        if (listener?.process.alive !== true) {
          this.#clock.after(this.delay(), () => {
            fail("ECONNREFUSED");
          });
          return;
        }
        settled = true;
        const [near, far] = this.#pair(from, listener.process);
        // The kernel accepts, also for a process that is paused.
        listener.process.run(() => {
          far.handlers = listener.accept(far);
        });
        this.#clock.after(this.delay(), () => {
          from.run(() => {
            // A connection that was lost before it was known here never was one.
            if (!near.open) {
              reject(netError("ECONNRESET", `${host}:${port}`));
              return;
            }
            near.handlers = handlers;
            resolve(near);
          });
        });
      });
    });
  }

  #pair(a: SimProcess, b: SimProcess): readonly [End, End] {
    const near = new End(a, b.host);
    const far = new End(b, a.host);
    const there = new Direction(this, this.#clock, near, far);
    const back = new Direction(this, this.#clock, far, near);
    near.out = there;
    far.out = back;
    for (const direction of [there, back]) {
      this.#directions.add(direction);
      direction.onEnd = () => this.#directions.delete(direction);
    }
    // Without the process its kernel closes, unless the machine is off.
    a.onEnd(() => {
      if (!this.#dark.has(a.host)) there.end(netError("ECONNRESET", "reset"));
    });
    b.onEnd(() => {
      if (!this.#dark.has(b.host)) back.end(netError("ECONNRESET", "reset"));
    });
    return [near, far];
  }
}

/** One end of a connection, as its process has it. */
class End implements FrameChannel {
  readonly process: SimProcess;
  readonly remote: string;
  handlers: ChannelHandlers | undefined;
  out: Direction | undefined;
  in: Direction | undefined;
  open = true;
  reading = true;
  bufferedBytes = 0;
  #closedTold = false;

  constructor(process: SimProcess, remote: string) {
    this.process = process;
    this.remote = remote;
  }

  send(parts: readonly Uint8Array[], released?: () => void): void {
    if (!this.open) {
      released?.();
      return;
    }
    this.out?.frame(parts, released);
  }

  setReading(reading: boolean): void {
    this.reading = reading;
    if (reading) this.in?.pump();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.out?.end(undefined);
    this.tellClosed(undefined);
  }

  abort(): void {
    this.close();
  }

  /** The connection is over for this end: `onClose` comes later, once. */
  tellClosed(error: Error | undefined): void {
    if (this.#closedTold) return;
    this.#closedTold = true;
    this.open = false;
    this.out?.abandon();
    this.process.scheduler.soon(() => {
      this.handlers?.onClose(error);
    });
  }
}

/** Memory in which frames are handed over. */
let scratch = new Uint8Array(1 << 16);

class Direction {
  readonly #network: SimNetwork;
  readonly #clock: SimClock;
  readonly #source: End;
  readonly #sink: End;
  readonly #queue: Parcel[] = [];
  #scheduled = false;
  #lastDue = 0;
  #ended = false;
  /** Nothing is delivered before. */
  #heldUntil = 0;
  onEnd: () => void = () => undefined;

  constructor(network: SimNetwork, clock: SimClock, source: End, sink: End) {
    this.#network = network;
    this.#clock = clock;
    this.#source = source;
    this.#sink = sink;
    sink.in = this;
  }

  get from(): SimProcess {
    return this.#source.process;
  }

  get to(): SimProcess {
    return this.#sink.process;
  }

  frame(parts: readonly Uint8Array[], released: (() => void) | undefined): void {
    const bytes = concat(parts);
    this.#source.bufferedBytes += bytes.length;
    this.#add({ kind: "frame", due: this.#due(), bytes, parts: [...parts], released });
  }

  end(error: Error | undefined): void {
    this.#add({ kind: "end", due: this.#due(), error });
  }

  /** The other way of the connection. */
  get back(): Direction {
    return this.#sink.out ?? this;
  }

  /**
   * The sender learns at once that the connection is gone, and may send again on another; what it has sent here still
   * arrives, after `ms`, and then the end.
   */
  breakLate(ms: number): void {
    if (this.#ended || !this.#source.open) return;
    this.#heldUntil = this.#clock.now() + ms;
    this.end(netError("ECONNRESET", "connection lost"));
    this.#source.tellClosed(netError("ECONNRESET", "connection lost"));
  }

  /** What waits goes on, after `ms`. */
  resume(ms: number): void {
    this.#heldUntil = this.#clock.now() + ms;
    this.pump();
  }

  /** Both ends learn at once that the connection is gone. */
  breakBoth(code: string): void {
    this.#source.tellClosed(netError(code, "connection lost"));
    this.#sink.tellClosed(netError(code, "connection lost"));
    this.abandon();
    this.#sink.out?.abandon();
  }

  /** Nothing more is delivered; what was to be sent is given back. */
  abandon(): void {
    if (this.#ended) return;
    // What was sent before a close in order still arrives.
    if (this.#queue.some(({ kind }) => kind === "end") && this.#sink.open) return;
    this.#finish();
  }

  #finish(): void {
    this.#ended = true;
    for (const parcel of this.#queue) if (parcel.kind === "frame") this.#release(parcel);
    this.#queue.length = 0;
    this.onEnd();
  }

  pump(): void {
    if (this.#scheduled || this.#ended) return;
    const head = this.#queue[0];
    if (head === undefined || !this.#sink.reading) return;
    if (this.#network.isCut(this.from.host, this.to.host)) return;
    this.#scheduled = true;
    this.#clock.after(Math.max(head.due, this.#heldUntil) - this.#clock.now(), () => {
      this.#scheduled = false;
      if (this.#network.isCut(this.from.host, this.to.host)) return;
      if (this.#clock.now() >= this.#heldUntil) this.#deliver();
      this.pump();
    });
  }

  #due(): number {
    this.#lastDue = Math.max(this.#lastDue, this.#clock.now() + this.#network.delay());
    return this.#lastDue;
  }

  #add(parcel: Parcel): void {
    if (this.#ended) {
      if (parcel.kind === "frame") this.#release(parcel);
      return;
    }
    this.#queue.push(parcel);
    if (this.#queue.length > BACKLOG * 1000) this.#network.onFault("a queue without bound");
    this.pump();
  }

  #deliver(): void {
    if (!this.#sink.reading || this.#ended) return;
    const parcel = this.#queue.shift();
    if (parcel === undefined) return;
    if (parcel.kind === "end") {
      this.#sink.tellClosed(parcel.error);
      this.#finish();
      return;
    }
    if (!same(parcel.bytes, parcel.parts)) {
      this.#network.onFault(`${this.from.host} changed a frame before it was released`);
    }
    const { bytes } = parcel;
    this.#sink.process.run(() => {
      if (!this.#sink.open) return;
      if (scratch.length < bytes.length) scratch = new Uint8Array(2 * bytes.length);
      scratch.set(bytes);
      const frame = scratch.subarray(0, bytes.length);
      this.#sink.handlers?.onFrame(frame);
      frame.fill(0xdb);
    });
    this.#release(parcel);
  }

  #release(parcel: Extract<Parcel, { readonly kind: "frame" }>): void {
    const source = this.#source;
    source.process.run(() => {
      source.bufferedBytes -= parcel.bytes.length;
      parcel.released?.();
      if (source.bufferedBytes === 0 && source.open) source.handlers?.onDrain?.();
    });
  }
}

function netError(code: string, message: string): Error {
  return Object.assign(new Error(`${code} ${message}`), { code });
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const part of parts) total += part.length;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function same(bytes: Uint8Array, parts: readonly Uint8Array[]): boolean {
  let at = 0;
  for (const part of parts) {
    if (Buffer.compare(bytes.subarray(at, at + part.length), part) !== 0) return false;
    at += part.length;
  }
  return true;
}
