import type { ChannelHandlers, FrameChannel, Network } from "../../broker/network/frame-channel.ts";
import { sleep } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import type { VirtualScheduler } from "./virtual-scheduler.ts";

/** How a broker answers a request, and after how long. */
export type Answering = (request: Buffer) => {
  readonly after: Millis;
  readonly answer: readonly Uint8Array[];
};

/** A network of one host: what answers at a port, if anything does, is asked for each connection and each request. */
export class PortNetwork {
  /** Ports connected to, refused or not. */
  readonly connected: number[] = [];
  readonly #scheduler: VirtualScheduler;
  readonly #at: (port: number) => Answering | undefined;

  constructor(scheduler: VirtualScheduler, at: (port: number) => Answering | undefined) {
    this.#scheduler = scheduler;
    this.#at = at;
  }

  /** For clients only. */
  get network(): Network {
    return {
      connect: (_: string, port: number, handlers: ChannelHandlers) => {
        this.connected.push(port);
        return this.#at(port) === undefined
          ? Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }))
          : Promise.resolve(this.#channel(port, handlers));
      },
    } as unknown as Network;
  }

  #channel(port: number, handlers: ChannelHandlers): FrameChannel {
    let closed = false;
    const close = (): void => {
      if (closed) return;
      closed = true;
      handlers.onClose(undefined);
    };
    return {
      remote: `h:${port}`,
      bufferedBytes: 0,
      send: (parts) => {
        const answering = this.#at(port);
        if (answering === undefined) return;
        const { after, answer } = answering(Buffer.concat(parts));
        void sleep(this.#scheduler, after).then(() => {
          if (!closed) handlers.onFrame(Buffer.concat(answer));
        });
      },
      setReading: () => undefined,
      close,
      abort: close,
    };
  }
}
