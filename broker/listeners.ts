import type { Bytes } from "../lib/units.ts";
import { ClientListeners } from "./client-listeners.ts";
import type { BrokerEnvironment } from "./environment.ts";
import type { LogManager } from "./log/types.ts";
import type { MetadataImage } from "./metadata/image.ts";
import { AnswerMemory } from "./network/answer-memory.ts";
import type { Listening } from "./network/frame-channel.ts";
import { type ListenerLimits, unlimited } from "./network/listener-limits.ts";
import { RequestMemory } from "./network/request-memory.ts";
import { serveKafka } from "./network/serve-kafka.ts";
import type { BrokerServices } from "./services.ts";

export interface ListenOptions {
  readonly host: string;
  readonly ports: { readonly plaintext: number; readonly internal: number };
  /** Name or address under which clients and brokers reach this one. */
  readonly advertisedHost: string;
  readonly advertisedPorts?: { readonly plaintext: number; readonly internal: number };
  /** Whether it opens the ports of the listeners for clients from outside (spec.listeners) as well. */
  readonly outside?: boolean;
}

/** The ports of a broker, and what those who come in by them may use of its memory. */
export class Listeners {
  readonly #services: BrokerServices;
  readonly #environment: BrokerEnvironment;
  readonly #options: ListenOptions;
  /** Clients share memory that other brokers do not depend on: what replicates is not to wait for who consumes. */
  readonly #brokerLimits: ListenerLimits;
  readonly #clientLimits: ListenerLimits;
  readonly #listening: Listening[] = [];
  #outside: ClientListeners | undefined;
  #closed = false;

  constructor(services: BrokerServices, logs: LogManager, options: ListenOptions) {
    const { config, environment } = services;
    this.#services = services;
    this.#environment = environment;
    this.#options = options;
    const now = (): number => environment.scheduler.now();
    const requests = (): RequestMemory =>
      new RequestMemory(config.number("queued.max.request.bytes"));
    this.#brokerLimits = { ...unlimited(), requests: requests(), now };
    this.#clientLimits = {
      requests: requests(),
      answers: new AnswerMemory(
        config.number("forebay.answer.max.bytes"),
        () => logs.memory.heldBytes,
      ),
      intake: logs.intake,
      now,
    };
  }

  /** Memory of clients' requests and answers, as it is used now. */
  get memory(): { readonly requests: Bytes; readonly answers: Bytes } {
    const { requests, answers } = this.#clientLimits;
    return { requests: requests.usedBytes + requests.keptBytes, answers: answers.usedBytes };
  }

  async open(listener: "internal" | "plaintext"): Promise<void> {
    if (this.#closed) return;
    const { host, ports } = this.#options;
    const listening = await serveKafka({
      services: this.#services,
      limits: listener === "internal" ? this.#brokerLimits : this.#clientLimits,
      listener,
      host,
      port: ports[listener],
    });
    if (this.#closed) await listening.close();
    else this.#listening.push(listening);
  }

  /** Opens and closes, from now on, what the BrokerCluster says of clients outside of the Kubernetes cluster. */
  openOutside(image: MetadataImage): void {
    const { host, outside } = this.#options;
    if (outside !== true || this.#closed) return;
    const { scheduler, logger } = this.#environment;
    const [services, limits] = [this.#services, this.#clientLimits];
    const listeners = new ClientListeners({
      open: (listener, port) => serveKafka({ services, limits, listener, host, port }),
      scheduler,
      logger,
    });
    this.#outside = listeners;
    const look = (): void => {
      listeners.want(image.outside);
    };
    image.onChange(look);
    look();
  }

  /** Nothing more is opened. */
  stop(): void {
    this.#closed = true;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#outside?.close();
    await Promise.all(this.#listening.map((listening) => listening.close()));
  }
}
