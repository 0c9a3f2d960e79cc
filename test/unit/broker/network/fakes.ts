import { apiByKey } from "../../../../broker/protocol/api-versions.ts";
import { encodeRequest } from "../../../../broker/protocol/headers.ts";
import { concatBytes, totalLength } from "../../../../lib/bytes.ts";
import type { LogFields, Logger } from "../../../../lib/logger.ts";
import { ClientQuotas } from "../../../../broker/quotas/client-quotas.ts";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import type { BrokerServices } from "../../../../broker/services.ts";
import type { Scheduler } from "../../../../lib/clock.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { present } from "../../../../lib/assert.ts";
import type { Handler } from "../../../../broker/handlers/handler.ts";
import type { FrameChannel } from "../../../../broker/network/frame-channel.ts";
import type { ServedApi } from "../../../../broker/network/dispatch.ts";

/** A channel whose other side takes bytes only when told to. */
export class FakeChannel implements FrameChannel {
  readonly remote = "192.0.2.1:40000";
  readonly sent: Uint8Array[] = [];
  readonly readings: boolean[] = [];
  closes = 0;
  aborts = 0;
  bufferedBytes = 0;
  #released: (() => void)[] = [];

  send(parts: readonly Uint8Array[], released?: () => void): void {
    this.sent.push(concatBytes(parts));
    this.bufferedBytes += totalLength(parts);
    if (released !== undefined) this.#released.push(released);
  }
  setReading(reading: boolean): void {
    this.readings.push(reading);
  }
  close(): void {
    this.closes++;
  }
  abort(): void {
    this.aborts++;
  }

  /** The other side has taken everything. */
  take(): void {
    this.bufferedBytes = 0;
    const released = this.#released;
    this.#released = [];
    for (const one of released) one();
  }
  /** Correlation ids of what was sent, in order. */
  get answered(): number[] {
    return this.sent.map((frame) => new DataView(frame.buffer, frame.byteOffset).getInt32(0));
  }
  get reading(): boolean {
    return this.readings.at(-1) ?? true;
  }
}

/** Keeps what was logged. */
export class KeptLog implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
  error(message: string, fields?: LogFields): void {
    this.lines.push({ level: "error", message, fields });
  }
  warn(message: string, fields?: LogFields): void {
    this.lines.push({ level: "warn", message, fields });
  }
  info(message: string, fields?: LogFields): void {
    this.lines.push({ level: "info", message, fields });
  }
  debug(message: string, fields?: LogFields): void {
    this.lines.push({ level: "debug", message, fields });
  }
  child(): Logger {
    return this;
  }
}

export function served(
  handlers: Readonly<Record<number, Handler<never, unknown>>>,
): ReadonlyMap<number, ServedApi> {
  return new Map(
    Object.entries(handlers).map(([key, handler]) => [
      Number(key),
      { api: present(apiByKey(Number(key)), "an API"), handler },
    ]),
  );
}

export const METADATA = 3;
export const API_VERSIONS = 18;

/** A whole request frame of an API, with its fields at their defaults unless given. */
export function requestFrame(
  apiKey: number,
  version: number,
  correlationId: number,
  value: unknown = {},
  clientId = "test",
): Uint8Array {
  const api = present(apiByKey(apiKey), "an API");
  return concatBytes(encodeRequest(api.request, version, correlationId, clientId, value as never));
}

/** A promise with its ends outside. */
export function deferred<T>(): {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** What the network needs of the services itself: nobody has a quota. */
export function bareServices(scheduler: Scheduler = new VirtualScheduler()): BrokerServices {
  const quotas = new ClientQuotas(new QuotaTable(), 1);
  return { quotas, environment: { scheduler } } as unknown as BrokerServices;
}
