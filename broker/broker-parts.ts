import type { BrokerEndpoint, BrokerId } from "../cluster/broker.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { Controller, type ControllerOptions } from "./controller/controller.ts";
import { ControllerLease } from "./controller/controller-lease.ts";
import { ElectionRequests } from "./controller/election-requests.ts";
import { HeartbeatSender } from "./controller/heartbeats.ts";
import { SupersededError } from "./controller/registration.ts";
import { GroupCoordinator } from "./coordinator/group/group-coordinator.ts";
import type { BrokerEnvironment } from "./environment.ts";
import { FetchSessionCache } from "./fetch-session.ts";
import type { LogManager } from "./log/types.ts";
import type { MetadataImage } from "./metadata/image.ts";
import { MetadataWatcher } from "./metadata/watcher.ts";
import { ClientQuotas } from "./quotas/client-quotas.ts";
import { QuotaAdmin } from "./quotas/quota-admin.ts";
import { QuotaTable } from "./quotas/quota-table.ts";
import type { Contact } from "./replication/contact.ts";
import type { LeadershipStore } from "./replication/leadership-store.ts";
import { ReplicaManager } from "./replication/replica-manager.ts";
import { StateRefresh } from "./replication/state-refresh.ts";
import type { BrokerServices } from "./services.ts";
import { TopicAdmin } from "./topic-admin.ts";

/** What a broker consists of once it has its epoch. */
export interface BrokerParts {
  readonly replicas: ReplicaManager;
  readonly controller: Controller;
  readonly lease: ControllerLease;
  readonly heartbeats: HeartbeatSender;
  readonly refresh: StateRefresh;
  readonly watcher: MetadataWatcher;
  readonly quotaAdmin: QuotaAdmin;
  readonly groups: GroupCoordinator;
  readonly services: BrokerServices;
  /** The controller says that this broker may stop. */
  onDrained: (() => void) | undefined;
}

/** What is there before: from the start of the process, and from the registration. */
export interface Foundation {
  /** Its Kubernetes API is the observed one. */
  readonly environment: BrokerEnvironment;
  readonly options: BrokerOptions;
  readonly image: MetadataImage;
  readonly contact: Contact;
  readonly store: LeadershipStore;
  readonly logs: LogManager;
  readonly epoch: number;
}

/** Makes the parts and tells each of them of the others. None of them does anything yet. */
export function assemble(foundation: Foundation): BrokerParts {
  const { environment, options, image, contact, store, logs, epoch } = foundation;
  const { scheduler, random, logger, network, kube } = environment;
  const { brokerId, clusterName, namespace, config } = options;
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
    store,
    contact,
    ownEpoch: () => epoch,
  });
  const topicRules: ControllerOptions["topicRules"] = (record) => {
    const effective = replicas.effectiveConfig(record);
    return {
      minInSyncReplicas: effective.minInSyncReplicas,
      unclean: effective.uncleanLeaderElection,
    };
  };
  const controller = new Controller({
    self: brokerId,
    ownEpoch: epoch,
    clusterName,
    namespace,
    kube,
    image,
    store,
    network,
    scheduler,
    logger,
    sessionTimeoutMs: config.brokerSessionTimeoutMs,
    heartbeatIntervalMs: config.brokerHeartbeatIntervalMs,
    leaderSettleMs: config.leaderSettleMs,
    endpoint,
    topicRules,
    onMajority: (at) => {
      contact.heard(at);
    },
    heardAt: (id, epoch) => heartbeats.heardAt({ id, epoch }),
    inTouch: () => contact.inTouch(scheduler.now()),
    panic: environment.panic,
  });
  const lease = new ControllerLease({
    kube,
    namespace,
    name: `${clusterName}-controller`,
    clusterName,
    self: { id: brokerId, epoch: epoch },
    scheduler,
    random,
    logger,
    onHolder: (holder) => {
      image.setController(holder?.id ?? -1);
      heartbeats.setController(holder);
      controller.setActive(holder?.id === brokerId && holder.epoch === epoch);
    },
    superseded: (holder) => (image.brokers.get(holder.id)?.epoch ?? -1) > holder.epoch,
    silence: (holder) => {
      const inTouchAt = heartbeats.inTouchAt(holder);
      return inTouchAt === undefined ? undefined : scheduler.now() - inTouchAt;
    },
    sessionTimeoutMs: config.brokerSessionTimeoutMs,
  });
  const heartbeats: HeartbeatSender = new HeartbeatSender({
    self: brokerId,
    epoch: epoch,
    network,
    scheduler,
    logger,
    intervalMs: config.brokerHeartbeatIntervalMs,
    sessionTimeoutMs: config.brokerSessionTimeoutMs,
    contact,
    endpoint,
    registeredEpoch: (id) => image.brokers.get(id)?.epoch,
    onControllerDead: (holder) => lease.holderIsDead(holder),
    onControllerResigned: (holder) => lease.holderIsDead(holder),
    onNotController: () => lease.poke(),
    onFenced: () => {
      // While it has not been seen running, being fenced is nothing new.
      if (image.brokers.get(brokerId)?.fenced === false) contact.lapse();
    },
    onBehind: () => {
      contact.lapse();
    },
    reads: () => refresh.reads,
    newest: () => image.newest,
    onNewest: (newest) => {
      image.heardOf(newest);
    },
    onSuperseded: () =>
      environment.panic(new SupersededError("a newer process has this broker's id")),
    onShouldShutDown: () => {
      parts.onDrained?.();
    },
  });
  const refresh = new StateRefresh({
    kube,
    namespace,
    clusterName,
    image,
    contact,
    scheduler,
    logger,
  });
  const watcher = new MetadataWatcher({
    kube,
    namespace,
    clusterName,
    image,
    scheduler,
    random,
    logger,
    onLease: (changed) => {
      if (changed.metadata.name === `${clusterName}-controller`) lease.observe(changed);
    },
    panic: environment.panic,
  });
  const topicAdmin = new TopicAdmin({
    kube,
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
    kube,
    namespace,
    clusterName,
    scheduler,
    random,
    logger,
    table: quotaTable,
  });
  const groups = new GroupCoordinator({
    brokerId,
    clusterName,
    namespace,
    config,
    kube,
    scheduler,
    random,
    logger,
    metadata: image,
    replicas,
    topicAdmin,
  });
  replicas.addListener(groups);
  const services: BrokerServices = {
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
    controller,
    elections: new ElectionRequests({ image, store, scheduler, topicRules }),
    fetchSessions: new FetchSessionCache(
      config.number("max.incremental.fetch.session.cache.slots"),
      random,
    ),
  };
  const parts: BrokerParts = {
    replicas,
    controller,
    lease,
    heartbeats,
    refresh,
    watcher,
    quotaAdmin,
    groups,
    services,
    onDrained: undefined,
  };
  return parts;
}

/** Ends the work of all of them, at once. */
export function stopParts(parts: BrokerParts): void {
  parts.lease.stop();
  parts.heartbeats.stop();
  parts.controller.stop();
  parts.groups.stop();
  parts.replicas.stop();
  parts.refresh.stop();
  parts.watcher.stop();
  parts.quotaAdmin.stop();
}
