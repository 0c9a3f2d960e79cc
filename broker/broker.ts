import type { BrokerEndpoint, BrokerId } from "../cluster/broker.ts";
import type { Bytes } from "../lib/units.ts";
import type { Listening } from "./network/frame-channel.ts";
import { sleep } from "../lib/clock.ts";
import type { BrokerConfig } from "./config.ts";
import { ClientListeners } from "./client-listeners.ts";
import { Controller, type ControllerOptions } from "./controller/controller.ts";
import { ControllerLease, type Holder } from "./controller/controller-lease.ts";
import { ElectionRequests } from "./controller/election-requests.ts";
import { HeartbeatSender } from "./controller/heartbeats.ts";
import { register, SupersededError } from "./controller/registration.ts";
import { GroupCoordinator } from "./coordinator/group/group-coordinator.ts";
import { FetchSessionCache } from "./fetch-session.ts";
import type { BrokerEnvironment } from "./environment.ts";
import { openLogManager } from "./log/log-manager.ts";
import type { LogManager } from "./log/types.ts";
import { MetadataImage } from "./metadata/image.ts";
import { MetadataWatcher } from "./metadata/watcher.ts";
import { watchClusterDeletion } from "./metadata/cluster-deletion.ts";
import { AnswerMemory } from "./network/answer-memory.ts";
import { type ListenerLimits, unlimited } from "./network/listener-limits.ts";
import { RequestMemory } from "./network/request-memory.ts";
import { serveKafka } from "./network/serve-kafka.ts";
import { ClientQuotas } from "./quotas/client-quotas.ts";
import { QuotaAdmin } from "./quotas/quota-admin.ts";
import { QuotaTable } from "./quotas/quota-table.ts";
import { Contact } from "./replication/contact.ts";
import { LeadershipStore } from "./replication/leadership-store.ts";
import { observedKube } from "./replication/observed-kube.ts";
import type { Partition } from "./replication/partition.ts";
import { ReplicaManager } from "./replication/replica-manager.ts";
import { StateRefresh } from "./replication/state-refresh.ts";
import type { BrokerServices } from "./services.ts";
import { TopicAdmin } from "./topic-admin.ts";

export interface BrokerOptions {
  readonly clusterName: string;
  readonly namespace: string;
  readonly brokerId: BrokerId;
  readonly rack?: string;
  readonly version: string;
  readonly config: BrokerConfig;
  readonly listen: {
    readonly host: string;
    readonly ports: { readonly plaintext: number; readonly internal: number };
    /** Name or address under which clients and brokers reach this one. */
    readonly advertisedHost: string;
    readonly advertisedPorts?: { readonly plaintext: number; readonly internal: number };
    /** Whether it opens the ports of the listeners for clients from outside (spec.listeners) as well. */
    readonly outside?: boolean;
  };
}

/** A silent controller is asked about at the API this long before the session would be over. */
const API_CONTACT_SHARE = 4;
const DRAIN_TIMEOUT_MS = 30_000;
/** How long a watch may take to tell of what the controller has done. */
const MOVES_SEEN_MS = 500;
const DRAIN_POLL_MS = 10;

/**
 * One broker: where its parts meet, and the order in which they start and stop. Everything of the outside comes in
 * through the environment, so the same code runs in a pod and in the simulator.
 */
export class Broker {
  readonly #environment: BrokerEnvironment;
  readonly #options: BrokerOptions;
  readonly #image: MetadataImage;
  readonly #contact: Contact;
  readonly #store: LeadershipStore;
  readonly #kube: BrokerEnvironment["kube"];
  #logs: LogManager | undefined;
  #replicas: ReplicaManager | undefined;
  #groups: GroupCoordinator | undefined;
  #services: BrokerServices | undefined;
  #controller: Controller | undefined;
  #lease: ControllerLease | undefined;
  #heartbeats: HeartbeatSender | undefined;
  #watcher: MetadataWatcher | undefined;
  #refresh: StateRefresh | undefined;
  #quotaAdmin: QuotaAdmin | undefined;
  #listening: Listening[] = [];
  #clientLimits: ListenerLimits | undefined;
  #outside: ClientListeners | undefined;
  #epoch = -1;
  #stopped = false;
  #ready = false;
  #drained: (() => void) | undefined;

  constructor(environment: BrokerEnvironment, options: BrokerOptions) {
    this.#options = options;
    this.#contact = new Contact(options.config.brokerSessionTimeoutMs, environment.scheduler.now());
    this.#kube = observedKube(environment.kube, environment.scheduler, this.#contact);
    this.#environment = { ...environment, kube: this.#kube };
    this.#image = new MetadataImage();
    this.#store = new LeadershipStore({
      kube: this.#kube,
      namespace: options.namespace,
      image: this.#image,
      scheduler: environment.scheduler,
      random: environment.random,
      logger: environment.logger,
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
  get patches(): number {
    return this.#store.patches;
  }
  get metadata(): MetadataImage {
    return this.#image;
  }
  get replicas(): ReplicaManager | undefined {
    return this.#replicas;
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
    const { requests, answers } = this.#clientLimits ?? {};
    return {
      tail,
      held,
      requests: (requests?.usedBytes ?? 0) + (requests?.keptBytes ?? 0),
      answers: answers?.usedBytes ?? 0,
    };
  }
  get isController(): boolean {
    return this.#controller?.active ?? false;
  }

  /** Recovers the logs, registers, reads the state, then listens. Rejects with SupersededError if overtaken. */
  async start(): Promise<void> {
    const { scheduler, random, logger, storage } = this.#environment;
    const { brokerId, clusterName, namespace, config } = this.#options;
    const logs = await openLogManager({
      storage,
      scheduler,
      random,
      logger,
      panic: this.#environment.panic,
      options: config.logOptions,
      stopped: () => this.#stopped,
    }).catch((error: unknown) => {
      if (this.#stopped) throw new SupersededError("stopped while opening the volume");
      throw error;
    });
    this.#logs = logs;
    if (this.#stopped) throw new SupersededError("stopped while starting");
    const registered = await register({
      kube: this.#kube,
      namespace,
      clusterName,
      brokerId,
      endpoints: this.#endpoints(),
      rack: this.#options.rack,
      version: this.#options.version,
      storage: { id: logs.storageId, generation: logs.storageGeneration },
      image: this.#image,
      store: this.#store,
      scheduler,
      random,
      logger,
      stopped: () => this.#stopped,
    });
    this.#epoch = registered.epoch;
    this.#assemble(logs);
    this.#contact.onLapse = () => void this.#refresh?.run();
    this.#contact.refreshed(registered.readAt);
    await this.#watcher?.start();
    if (this.#stopped) throw new SupersededError("stopped while starting");
    this.#quotaAdmin?.start();
    this.#replicas?.start(registered.burned);
    await this.#listen("internal");
    this.#lease?.start();
    this.#heartbeats?.start();
    this.#controller?.start();
    this.#keepContact();
    // A client that came before the controller has seen this broker would be told of a cluster without brokers.
    await this.#running();
    await this.#listen("plaintext");
    this.#listenOutside();
    this.#ready = !this.#stopped;
    logger.info("broker ready", { epoch: registered.epoch });
  }

  #assemble(logs: LogManager): void {
    const environment = this.#environment;
    const { scheduler, random, logger, network } = environment;
    const { brokerId, clusterName, namespace, config } = this.#options;
    const image = this.#image;
    const endpoint = (id: BrokerId): BrokerEndpoint | undefined =>
      image.brokers.get(id)?.endpoints.find((one) => one.name === "internal");
    const replicas = new ReplicaManager({
      self: brokerId,
      clusterName,
      namespace,
      environment,
      config,
      image,
      logs,
      store: this.#store,
      contact: this.#contact,
      ownEpoch: () => this.#epoch,
    });
    this.#replicas = replicas;
    const topicRules: ControllerOptions["topicRules"] = (record) => {
      const effective = replicas.effectiveConfig(record);
      return {
        minInSyncReplicas: effective.minInSyncReplicas,
        unclean: effective.uncleanLeaderElection,
      };
    };
    this.#controller = new Controller({
      self: brokerId,
      ownEpoch: this.#epoch,
      clusterName,
      namespace,
      kube: this.#kube,
      image,
      store: this.#store,
      network,
      scheduler,
      logger,
      sessionTimeoutMs: config.brokerSessionTimeoutMs,
      heartbeatIntervalMs: config.brokerHeartbeatIntervalMs,
      leaderSettleMs: config.leaderSettleMs,
      endpoint,
      topicRules,
      onMajority: (at) => {
        this.#contact.heard(at);
      },
      heardAt: (id, epoch) => this.#heartbeats?.heardAt({ id, epoch }),
      inTouch: () => this.#contact.inTouch(scheduler.now()),
      panic: environment.panic,
    });
    this.#lease = new ControllerLease({
      kube: this.#kube,
      namespace,
      name: `${clusterName}-controller`,
      clusterName,
      self: { id: brokerId, epoch: this.#epoch },
      scheduler,
      logger,
      onHolder: (holder) => {
        this.#onHolder(holder);
      },
      superseded: (holder) => (image.brokers.get(holder.id)?.epoch ?? -1) > holder.epoch,
      silence: (holder) => {
        const heardAt = this.#heartbeats?.heardAt(holder);
        return heardAt === undefined ? 0 : scheduler.now() - heardAt;
      },
      sessionTimeoutMs: config.brokerSessionTimeoutMs,
    });
    this.#heartbeats = new HeartbeatSender({
      self: brokerId,
      epoch: this.#epoch,
      network,
      scheduler,
      logger,
      intervalMs: config.brokerHeartbeatIntervalMs,
      sessionTimeoutMs: config.brokerSessionTimeoutMs,
      contact: this.#contact,
      endpoint,
      onControllerDead: (holder) => this.#lease?.holderIsDead(holder),
      onNotController: () => this.#lease?.poke(),
      onFenced: () => {
        // While it has not been seen running, being fenced is nothing new.
        if (image.brokers.get(brokerId)?.fenced === false) this.#contact.lapse();
      },
      onBehind: () => {
        this.#contact.lapse();
      },
      reads: () => this.#refresh?.reads ?? 0,
      onSuperseded: () =>
        environment.panic(new SupersededError("a newer process has this broker's id")),
      onShouldShutDown: () => this.#drained?.(),
    });
    this.#refresh = new StateRefresh({
      kube: this.#kube,
      namespace,
      clusterName,
      image,
      contact: this.#contact,
      scheduler,
      logger,
    });
    this.#watcher = new MetadataWatcher({
      kube: this.#kube,
      namespace,
      clusterName,
      image,
      scheduler,
      random,
      logger,
      onLease: (lease) => {
        if (lease.metadata.name === `${clusterName}-controller`) this.#lease?.observe(lease);
      },
      panic: environment.panic,
    });
    const topicAdmin = new TopicAdmin({
      kube: this.#kube,
      namespace,
      clusterName,
      scheduler,
      random,
      logger,
      metadata: image,
      config,
    });
    const quotaTable = new QuotaTable();
    const quotaAdmin = new QuotaAdmin({
      kube: this.#kube,
      namespace,
      clusterName,
      scheduler,
      random,
      logger,
      table: quotaTable,
    });
    this.#quotaAdmin = quotaAdmin;
    const groups = new GroupCoordinator({
      brokerId,
      clusterName,
      namespace,
      config,
      kube: this.#kube,
      scheduler,
      random,
      logger,
      metadata: image,
      replicas,
      topicAdmin,
    });
    this.#groups = groups;
    replicas.addListener(groups);
    this.#services = {
      brokerId,
      namespace,
      config,
      environment,
      metadata: image,
      replicas,
      volume: logs,
      quotas: new ClientQuotas(quotaTable, config.quotaBurstSeconds),
      quotaTable,
      quotaAdmin,
      topicAdmin,
      groups,
      controller: this.#controller,
      elections: new ElectionRequests({ image, store: this.#store, scheduler, topicRules }),
      fetchSessions: new FetchSessionCache(
        config.number("max.incremental.fetch.session.cache.slots"),
        random,
      ),
    };
  }

  /** From now on, as the BrokerCluster says. */
  #listenOutside(): void {
    const { host, outside } = this.#options.listen;
    const [services, limits] = [this.#services, this.#clientLimits];
    if (outside !== true || services === undefined || limits === undefined || this.#stopped) return;
    const { scheduler, logger } = this.#environment;
    const listeners = new ClientListeners({
      open: (listener, port) => serveKafka({ services, limits, listener, host, port }),
      scheduler,
      logger,
    });
    this.#outside = listeners;
    const look = (): void => {
      listeners.want(this.#image.outside);
    };
    this.#image.onChange(look);
    look();
  }

  async #listen(listener: "internal" | "plaintext"): Promise<void> {
    const services = this.#services;
    if (services === undefined || this.#stopped) return;
    const { host, ports } = this.#options.listen;
    const limits = this.#limits(listener);
    const listening = await serveKafka({ services, limits, listener, host, port: ports[listener] });
    if (this.#stopped) await listening.close();
    else this.#listening.push(listening);
  }

  /** Clients share memory that other brokers do not depend on: what replicates is not to wait for who consumes. */
  #limits(listener: "internal" | "plaintext"): ListenerLimits {
    const { config } = this.#options;
    const now = (): number => this.#environment.scheduler.now();
    const requests = new RequestMemory(config.number("queued.max.request.bytes"));
    const logs = this.#logs;
    if (listener === "internal" || logs === undefined) return { ...unlimited(), requests, now };
    const answerBytes = config.number("forebay.answer.max.bytes");
    this.#clientLimits = {
      requests,
      answers: new AnswerMemory(answerBytes, () => logs.memory.heldBytes),
      intake: logs.intake,
      now,
    };
    return this.#clientLimits;
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

  #endpoints(): BrokerEndpoint[] {
    const { advertisedHost, ports, advertisedPorts } = this.#options.listen;
    const advertised = advertisedPorts ?? ports;
    return [
      { name: "internal", host: advertisedHost, port: advertised.internal, protocol: "PLAINTEXT" },
      {
        name: "plaintext",
        host: advertisedHost,
        port: advertised.plaintext,
        protocol: "PLAINTEXT",
      },
    ];
  }

  #onHolder(holder: Holder | undefined): void {
    this.#image.setController(holder?.id ?? -1);
    this.#heartbeats?.setController(holder);
    this.#controller?.setActive(
      holder?.id === this.#options.brokerId && holder.epoch === this.#epoch,
    );
  }

  /**
   * While the controller is silent the API is asked instead: its answer is contact (R7), and shows a new controller.
   */
  #keepContact(): void {
    if (this.#stopped) return;
    const { scheduler } = this.#environment;
    const { brokerSessionTimeoutMs } = this.#options.config;
    if (this.#contact.silence(scheduler.now()) > brokerSessionTimeoutMs / API_CONTACT_SHARE) {
      this.#lease?.poke();
    }
    scheduler.after(brokerSessionTimeoutMs / (2 * API_CONTACT_SHARE), () => {
      this.#keepContact();
    });
  }

  /** A planned stop: leaderships move first and are served until they have, then everything is closed in order. */
  async drain(): Promise<void> {
    const { scheduler, logger, kube } = this.#environment;
    if (this.#ready && !this.#stopped) {
      const { namespace, clusterName } = this.#options;
      let deletion: { stop(): void } | undefined;
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
        scheduler.after(DRAIN_TIMEOUT_MS, resolve);
        this.#heartbeats?.wantToStop();
        this.#drainAsController(resolve);
        // Nobody is left to lead then.
        const onDeleted = resolve;
        deletion = watchClusterDeletion({ kube, namespace, clusterName, scheduler, onDeleted });
      });
      deletion?.stop();
      await this.#seeMoves();
      logger.info("leaderships moved, stopping");
    }
    this.#stopped = true;
    await this.#lease?.release().catch((error: unknown) => {
      logger.debug("controller lease not released", { error: String(error) });
    });
    this.#stopParts();
    await this.#outside?.close();
    await Promise.all(this.#listening.map((listening) => listening.close()));
    await this.#logs?.close();
  }

  /** What has moved is seen here as well, so that those who wait for an answer are told who leads now. */
  async #seeMoves(): Promise<void> {
    const { scheduler } = this.#environment;
    const { brokerId } = this.#options;
    const until = scheduler.now() + MOVES_SEEN_MS;
    const leads = ({ isLeader, record }: Partition): boolean =>
      isLeader && record.state?.isr.some((id) => id !== brokerId) === true;
    while (scheduler.now() < until && [...(this.#replicas?.all() ?? [])].some(leads)) {
      await sleep(scheduler, DRAIN_POLL_MS);
    }
  }

  /** As its own controller a broker asks itself. */
  #drainAsController(done: () => void): void {
    if (this.#stopped || this.#drained === undefined) return;
    if (this.#controller?.active === true) {
      const answer = this.#controller.heartbeat(this.#options.brokerId, this.#epoch, true);
      if (answer.shouldShutDown) {
        done();
        return;
      }
    }
    this.#environment.scheduler.after(DRAIN_POLL_MS, () => {
      this.#drainAsController(done);
    });
  }

  /** Drops everything at once, as a crash would: for the simulator and for a panic. */
  kill(): void {
    this.#stopped = true;
    this.#stopParts();
  }

  #stopParts(): void {
    this.#ready = false;
    this.#lease?.stop();
    this.#heartbeats?.stop();
    this.#controller?.stop();
    this.#groups?.stop();
    this.#replicas?.stop();
    this.#refresh?.stop();
    this.#watcher?.stop();
    this.#quotaAdmin?.stop();
    this.#store.stop();
  }
}
