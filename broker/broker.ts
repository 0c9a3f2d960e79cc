import type { Bytes } from "../lib/units.ts";
import { advertisedEndpoints, type BrokerOptions } from "./broker-options.ts";
import { assemble, type BrokerParts, type Foundation, stopParts } from "./broker-parts.ts";
import { register, SupersededError } from "./controller/registration.ts";
import { moveLeaderships } from "./draining.ts";
import type { BrokerEnvironment } from "./environment.ts";
import { Listeners } from "./listeners.ts";
import { openLogManager } from "./log/log-manager.ts";
import type { LogManager } from "./log/types.ts";
import { MetadataImage } from "./metadata/image.ts";
import { Contact } from "./replication/contact.ts";
import { LeadershipStore } from "./replication/leadership-store.ts";
import { observedKube } from "./replication/observed-kube.ts";
import type { ReplicaManager } from "./replication/replica-manager.ts";
import { restartGate, type RestartGate } from "./restart-gate.ts";

/** A silent controller is asked about at the API this long before the session would be over. */
const API_CONTACT_SHARE = 4;

/**
 * One broker: the order in which its parts start and stop. Everything of the outside comes in through the environment, so
 * the same code runs in a pod and in the simulator.
 */
export class Broker {
  readonly #environment: BrokerEnvironment;
  readonly #options: BrokerOptions;
  readonly #image = new MetadataImage();
  readonly #contact: Contact;
  readonly #store: LeadershipStore;
  #logs: LogManager | undefined;
  #foundation: Foundation | undefined;
  #parts: BrokerParts | undefined;
  #listeners: Listeners | undefined;
  #epoch = -1;
  #stopped = false;
  #ready = false;

  constructor(environment: BrokerEnvironment, options: BrokerOptions) {
    const { scheduler, random, logger } = environment;
    this.#options = options;
    this.#contact = new Contact(options.config.brokerSessionTimeoutMs, scheduler.now());
    const kube = observedKube(environment.kube, scheduler, this.#contact);
    this.#environment = { ...environment, kube };
    const { namespace } = options;
    this.#store = new LeadershipStore({
      kube,
      namespace,
      image: this.#image,
      scheduler,
      random,
      logger,
    });
  }

  get epoch(): number {
    return this.#epoch;
  }
  /** Registered and listening. */
  get ready(): boolean {
    return this.#ready;
  }
  /** The controller or the API was heard within the session timeout (R7). */
  get inTouch(): boolean {
    return this.#contact.inTouch(this.#environment.scheduler.now());
  }
  /** For how long neither controller nor API was heard. */
  get silenceMs(): number {
    return this.#contact.silence(this.#environment.scheduler.now());
  }
  /** Whether it may stop, and whether it is whole again after a start, as far as it knows. */
  get restartGate(): RestartGate {
    const replicas = this.#parts?.replicas;
    return restartGate({
      self: this.#options.brokerId,
      ready: this.#ready && replicas !== undefined,
      inTouch: this.inTouch,
      partitions: this.#image.partitions(),
      minInSyncReplicas: (record) => replicas?.effectiveConfig(record).minInSyncReplicas ?? 1,
    });
  }
  get patches(): number {
    return this.#store.patches;
  }
  get metadata(): MetadataImage {
    return this.#image;
  }
  get replicas(): ReplicaManager | undefined {
    return this.#parts?.replicas;
  }
  get logs(): LogManager | undefined {
    return this.#logs;
  }
  /** Memory that is bounded by configuration (docs/memory.md), as it is used now. */
  get memory(): { readonly [part in "tail" | "held" | "requests" | "answers"]: Bytes } {
    const { tailBytes: tail, heldBytes: held } = this.#logs?.memory ?? {
      tailBytes: 0,
      heldBytes: 0,
    };
    return { tail, held, ...(this.#listeners?.memory ?? { requests: 0, answers: 0 }) };
  }
  get isController(): boolean {
    return this.#parts?.controller.active ?? false;
  }

  /** Recovers the logs, registers, reads the state, then listens. Rejects with SupersededError if overtaken. */
  async start(): Promise<void> {
    const logs = await this.#openLogs();
    this.#logs = logs;
    this.#goOn();
    const registered = await this.#register(logs);
    this.#epoch = registered.epoch;
    const foundation: Foundation = {
      environment: this.#environment,
      options: this.#options,
      image: this.#image,
      contact: this.#contact,
      store: this.#store,
      logs,
      epoch: registered.epoch,
    };
    const parts = assemble(foundation);
    const listeners = new Listeners(parts.services, logs, this.#options.listen);
    this.#foundation = foundation;
    this.#parts = parts;
    this.#listeners = listeners;
    this.#contact.onLapse = () => void parts.refresh.run();
    this.#contact.refreshed(registered.readAt);
    await parts.watcher.start();
    this.#goOn();
    parts.quotaAdmin.start();
    parts.replicas.start(registered.burned);
    await listeners.open("internal");
    parts.lease.start();
    parts.heartbeats.start();
    parts.controller.start();
    this.#keepContact(parts);
    // A client that came before the controller has seen this broker would be told of a cluster without brokers.
    await this.#running();
    await listeners.open("plaintext");
    listeners.openOutside(this.#image);
    this.#ready = !this.#stopped;
    this.#environment.logger.info("broker ready", { epoch: registered.epoch });
  }

  async #openLogs(): Promise<LogManager> {
    const { scheduler, random, logger, storage, panic } = this.#environment;
    try {
      return await openLogManager({
        storage,
        scheduler,
        random,
        logger,
        panic,
        options: this.#options.config.logOptions,
        stopped: () => this.#stopped,
      });
    } catch (error) {
      this.#goOn();
      throw error;
    }
  }

  /** @throws SupersededError when it was stopped meanwhile */
  #goOn(): void {
    if (this.#stopped) throw new SupersededError("stopped while starting");
  }

  #register(logs: LogManager): ReturnType<typeof register> {
    const { kube, scheduler, random, logger } = this.#environment;
    const { brokerId, clusterName, namespace, rack, version, listen } = this.#options;
    return register({
      kube,
      namespace,
      clusterName,
      brokerId,
      endpoints: advertisedEndpoints(listen),
      rack,
      version,
      storage: { id: logs.storageId, generation: logs.storageGeneration },
      image: this.#image,
      store: this.#store,
      scheduler,
      random,
      logger,
      stopped: () => this.#stopped,
    });
  }

  /** Resolves when the controller has recorded this broker as running. */
  #running(): Promise<void> {
    const seen = (): boolean =>
      this.#stopped || this.#image.brokers.get(this.#options.brokerId)?.fenced === false;
    return new Promise((resolve) => {
      if (seen()) {
        resolve();
        return;
      }
      const stop = this.#image.onChange(() => {
        if (!seen()) return;
        stop();
        resolve();
      });
    });
  }

  /** While the controller is silent the API is asked instead: its answer is contact (R7), and shows a new controller. */
  #keepContact(parts: BrokerParts): void {
    if (this.#stopped) return;
    const { brokerSessionTimeoutMs } = this.#options.config;
    if (this.silenceMs > brokerSessionTimeoutMs / API_CONTACT_SHARE) parts.lease.poke();
    this.#environment.scheduler.after(brokerSessionTimeoutMs / (2 * API_CONTACT_SHARE), () => {
      this.#keepContact(parts);
    });
  }

  /** A planned stop: leaderships move first and are served until they have, then everything is closed in order. */
  async drain(): Promise<void> {
    const { logger } = this.#environment;
    const [parts, foundation] = [this.#parts, this.#foundation];
    if (this.#ready && !this.#stopped && parts !== undefined && foundation !== undefined) {
      await moveLeaderships(parts, foundation, () => this.#stopped);
      logger.info("leaderships moved, stopping");
    }
    this.#stopped = true;
    await parts?.lease.release().catch((error: unknown) => {
      logger.debug("controller lease not released", { error: String(error) });
    });
    this.#stopParts();
    await this.#listeners?.close();
    await this.#logs?.close();
  }

  /** Drops everything at once, as a crash would: for the simulator and for a panic. */
  kill(): void {
    this.#stopped = true;
    this.#stopParts();
  }

  #stopParts(): void {
    this.#ready = false;
    if (this.#parts !== undefined) stopParts(this.#parts);
    this.#listeners?.stop();
    this.#store.stop();
  }
}
