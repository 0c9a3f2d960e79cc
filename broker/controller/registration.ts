import type {
  BrokerEndpoint,
  BrokerId,
  BrokerObject,
  StorageIncarnation,
} from "../../cluster/broker.ts";
import { brokerConditions } from "../../cluster/broker-conditions.ts";
import { restart } from "../../cluster/partition-change.ts";
import {
  API_VERSION,
  BROKER_ID_LABEL,
  brokers,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
} from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import {
  AlreadyExistsError,
  ConflictError,
  ForbiddenError,
  InvalidError,
  NotFoundError,
} from "../../kube/errors.ts";
import { type Scheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { LeadershipStore } from "../replication/leadership-store.ts";
import { clusterOwner } from "../metadata/cluster-owner.ts";

/** What a registered broker is and what it may not do. */
export interface Registered {
  readonly epoch: number;
  /** Leader epoch by `topicId/partition` as read after the epoch was bumped: none of them is led by this process (C3). */
  readonly burned: ReadonlyMap<string, number>;
  /** When that read was asked for. */
  readonly readAt: Millis;
}

export interface RegistrationOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly brokerId: BrokerId;
  readonly endpoints: readonly BrokerEndpoint[];
  readonly rack: string | undefined;
  readonly version: string;
  readonly storage: StorageIncarnation;
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly stopped: () => boolean;
}

const RETRY_MS = 100;
const RETRY_MAX_MS = 2000;

/**
 * Registers a starting broker (DESIGN.md §3; docs/invariants.md C3, C6), in this order: its epoch is bumped by
 * compare-and-swap, so that any older process with its id is fenced; all slices and shards are read with quorum reads; what the
 * former process led is given up, and what counted on a lost volume is taken back; only then the volume is recorded.
 * Each step is repeated until it is done; a crash in between repeats all.
 */
export async function register(options: RegistrationOptions): Promise<Registered> {
  const { storage } = options;
  const bumped = await persist(options, "register", () => bumpEpoch(options));
  const recorded = bumped.status?.storage;
  const volumeLost =
    recorded !== undefined &&
    (recorded.id !== storage.id || recorded.generation > storage.generation);
  if (volumeLost) {
    options.logger.warn("the volume is not the one that was recorded: leaving all in-sync sets", {
      recorded,
      found: storage,
    });
  }
  const epoch = bumped.status?.epoch ?? 0;
  const readAt = await readPartitions(options);
  const { image, store, brokerId } = options;
  const outcomes: Promise<unknown>[] = [];
  // Also those of which no slice is there now: one may be made again.
  for (const record of [...image.partitions(), ...image.records.unplaced()]) {
    const concerned =
      record.placement.replicas.includes(brokerId) ||
      record.state?.leader === brokerId ||
      record.state?.isr.includes(brokerId) === true ||
      record.state?.elr.includes(brokerId) === true;
    if (record.state === undefined || !concerned) continue;
    outcomes.push(
      store.update(record, (state, placement) =>
        // Done once: a retry after a lost race finds the broker out and the epoch bumped by whoever won.
        restart(state, placement, brokerId, volumeLost),
      ),
    );
  }
  await Promise.all(outcomes);
  const burned = new Map<string, number>();
  for (const { topicId, partition, state } of [
    ...image.partitions(),
    ...image.records.unplaced(),
  ]) {
    if (state !== undefined) burned.set(`${topicId}/${String(partition)}`, state.leaderEpoch);
  }
  await persist(options, "record the volume", () => recordStorage(options, epoch));
  return { epoch, burned, readAt };
}

/** Quorum reads, after the epoch was bumped. @returns when the states were asked for */
async function readPartitions(options: RegistrationOptions): Promise<Millis> {
  const { kube, namespace, clusterName, image, scheduler } = options;
  const ofCluster = { labelSelector: `${CLUSTER_LABEL}=${clusterName}` };
  let readAt = scheduler.now();
  await persist(options, "read partitions", async () => {
    readAt = scheduler.now();
    // Where partitions are before who leads them: a state without its placement would be taken for a deleted topic's.
    const slices = await kube.list(partitionSlices, namespace, ofCluster);
    for (const slice of slices.items) image.absorbSlice(slice);
    const shards = await kube.list(leadershipShards, namespace, ofCluster);
    for (const shard of shards.items) image.absorbShard(shard);
  });
  return readAt;
}

async function bumpEpoch(options: RegistrationOptions): Promise<BrokerObject> {
  const { kube, namespace } = options;
  const name = objectName(options);
  let object: BrokerObject;
  try {
    object = await kube.get(brokers, namespace, name);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    object = await create(options);
  }
  const { generation } = object.metadata;
  const written = await kube.replace(
    brokers,
    namespace,
    {
      ...object,
      status: {
        ...(generation === undefined ? {} : { observedGeneration: generation }),
        ...(object.status?.storage === undefined ? {} : { storage: object.status.storage }),
        epoch: (object.status?.epoch ?? 0) + 1,
        endpoints: options.endpoints,
        ...(options.rack === undefined ? {} : { rack: options.rack }),
        version: options.version,
        state: "fenced",
        conditions: brokerConditions(
          "fenced",
          object.status?.conditions,
          generation,
          options.scheduler.wallNow(),
        ),
      },
    },
    { subresource: "status" },
  );
  options.image.absorbBroker(written);
  return written;
}

async function create(options: RegistrationOptions): Promise<BrokerObject> {
  const { kube, namespace, clusterName, brokerId } = options;
  const owner = await clusterOwner(kube, namespace, clusterName);
  return kube.create(brokers, namespace, {
    apiVersion: API_VERSION,
    kind: "Broker",
    metadata: {
      name: objectName(options),
      namespace,
      labels: { [CLUSTER_LABEL]: clusterName, [BROKER_ID_LABEL]: String(brokerId) },
      ownerReferences: [owner],
    },
    spec: { cluster: clusterName, id: brokerId },
  });
}

/** Only while the epoch is still this process's: a newer one has its own idea of the volume. */
async function recordStorage(options: RegistrationOptions, epoch: number): Promise<void> {
  const written = await options.kube.jsonPatch(
    brokers,
    options.namespace,
    objectName(options),
    [
      { op: "test", path: "/status/epoch", value: epoch },
      { op: "add", path: "/status/storage", value: options.storage },
    ],
    { subresource: "status" },
  );
  options.image.absorbBroker(written);
}

/** A newer process has registered with this broker's id. */
export class SupersededError extends Error {
  override readonly name = "SupersededError";
}

/** Repeats a step until it is done: a starting broker has nothing better to do than to wait for the API. */
async function persist<T>(
  options: RegistrationOptions,
  what: string,
  step: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    if (options.stopped()) throw new SupersededError("stopped while registering");
    try {
      return await step();
    } catch (error) {
      if (error instanceof InvalidError && what === "record the volume") {
        throw new SupersededError("a newer process has registered with this broker's id");
      }
      const passing = error instanceof ConflictError || error instanceof AlreadyExistsError;
      const level =
        passing || attempt % 20 !== 0
          ? "debug"
          : error instanceof ForbiddenError
            ? "error"
            : "warn";
      options.logger[level]("registration waits", { what, attempt, error: String(error) });
      const ceiling = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.min(attempt, 5));
      await sleep(options.scheduler, ceiling * (0.5 + options.random.next() / 2));
    }
  }
}

function objectName(options: RegistrationOptions): string {
  return `${options.clusterName}-${String(options.brokerId)}`;
}
