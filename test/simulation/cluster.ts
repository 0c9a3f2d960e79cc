import { Broker } from "../../broker/broker.ts";
import { BrokerConfig } from "../../broker/config.ts";
import { StorageError } from "../../broker/log/storage.ts";
import { SupersededError } from "../../broker/controller/registration.ts";
import { type LeadershipShard, recordKey, stateText } from "../../cluster/leadership-shard.ts";
import {
  API_VERSION,
  brokerClusters,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import { type RecordedSlice, withStates } from "../support/recorded-slices.ts";
import type { BrokerObject } from "../../cluster/broker.ts";
import { NO_LEADER, type PartitionSlice } from "../../cluster/partition-slice.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { StatefulSet } from "../../operator/resources/workloads.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import { type Random, seededRandom } from "../../lib/random.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { BitRot } from "./bit-rot.ts";
import { checkRecordedChange } from "./checkers/recorded-state.ts";
import type { Report } from "./checkers/report.ts";
import type { SimClock } from "./clock.ts";
import type { History } from "./history.ts";
import { SimKube } from "./kube.ts";
import { SimNetwork } from "./network.ts";
import type { ClusterShape } from "./shape.ts";
import { Halted, SimProcess } from "./process.ts";

const NAMESPACE = "default";
const CLUSTER = "sim";
const PORTS = { plaintext: 9092, internal: 9093 };
/** How long a pod that is to go may take for it. */
const GRACE_MS = 5000;
/** A pod's container is started again this soon. */
const RESTART_MS = 250;
const READ_ERROR = "i/o error";

export interface SimBroker {
  readonly id: number;
  readonly host: string;
  readonly storage: MemoryStorage;
  /** How many times slower its disk is than others. */
  slowDisk: number;
  /** One in so many reads of its segments fails; 0 for none. */
  readErrors: number;
  process: SimProcess;
  broker: Broker | undefined;
  /** It is to stay away until somebody starts it. */
  down: boolean;
  /** The cluster has fewer brokers than that: it is not started. */
  gone: boolean;
  /** It has not registered since its volume was lost. */
  volumeLost: boolean;
  /** The volume as it knew it last. */
  storageId: string | undefined;
}

/** Brokers, operator and API store of one simulated cluster. */
export class SimCluster {
  readonly network: SimNetwork;
  readonly kube: SimKube;
  readonly store: ObjectStore;
  readonly brokers: SimBroker[];
  readonly shape: ClusterShape;
  readonly rot: BitRot = new BitRot(this);
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #history: History;
  readonly #report: Report;
  readonly #logger: Logger;
  #operator: { readonly process: SimProcess; readonly operator: Operator } | undefined;
  #incarnations = 0;
  volumesLost = 0;
  /** Brokers whose volume was ever lost. */
  readonly onceLost = new Set<number>();
  /** Volumes lost since every partition last had all its replicas in sync. */
  lostSinceWhole = 0;

  constructor(options: {
    readonly shape: ClusterShape;
    readonly clock: SimClock;
    readonly random: Random;
    readonly history: History;
    readonly report: Report;
    readonly logger?: Logger;
  }) {
    const { shape, clock, random, history, report } = options;
    this.shape = shape;
    this.#clock = clock;
    this.#random = random;
    this.#history = history;
    this.#report = report;
    this.#logger = options.logger ?? silentLogger;
    this.network = new SimNetwork(clock, seededRandom(random.below(2 ** 31)));
    this.network.onFault = (message) => {
      report("network", message);
    };
    this.store = new ObjectStore({ scheduler: clock, random: seededRandom(random.below(2 ** 31)) });
    this.kube = new SimKube(clock, seededRandom(random.below(2 ** 31)), this.store);
    this.store.onChange(({ resource, object, old, type }) => {
      if (resource === "apps/statefulsets" && type !== "DELETED") this.#setPods(object);
      if (!resource.endsWith("leadershipshards") || type !== "MODIFIED" || old === undefined)
        return;
      this.#checkChange(old as LeadershipShard, object as LeadershipShard);
    });
    this.brokers = Array.from({ length: shape.brokers }, (_, id) => ({
      id,
      host: `broker-${id}`,
      storage: new MemoryStorage({ journalBlockBytes: 512 }),
      slowDisk: random.below(5) === 0 ? 5 + random.below(60) : 1,
      readErrors: 0,
      process: new SimProcess(`broker-${id}`, 0, clock),
      broker: undefined,
      down: true,
      gone: id >= shape.initialBrokers,
      volumeLost: false,
      storageId: undefined,
    }));
  }

  /** Makes the resources and starts everything. */
  create(): void {
    const write = (kind: string, name: string, spec: unknown): void => {
      const resource = kind === "Topic" ? topics : brokerClusters;
      const object: KubeObject & { readonly spec: unknown } = {
        apiVersion: API_VERSION,
        kind,
        metadata: { name, namespace: NAMESPACE },
        spec,
      };
      this.store.create(resource, NAMESPACE, object);
    };
    write("BrokerCluster", CLUSTER, { brokers: this.shape.initialBrokers });
    for (const { name, ...spec } of this.shape.topics) {
      write("Topic", name, { cluster: CLUSTER, ...spec });
    }
    this.startOperator();
    for (const { id } of this.brokers) this.start(id);
  }

  startOperator(): void {
    const process = new SimProcess("operator", this.#incarnations++, this.#clock);
    const operator = startOperator({
      kube: this.kube.of(process),
      namespace: "",
      scheduler: process.scheduler,
      random: seededRandom(this.#random.below(2 ** 31)),
      logger: this.#logger,
      brokerImage: "forebay",
    });
    this.#operator = { process, operator };
  }

  killOperator(): void {
    this.#operator?.process.end();
    this.#operator = undefined;
  }

  get operatorRuns(): boolean {
    return this.#operator !== undefined;
  }

  get bootstrap(): { readonly host: string; readonly port: number }[] {
    return this.brokers.map(({ host }) => ({ host, port: PORTS.plaintext }));
  }

  at(id: number): SimBroker {
    const found = this.brokers[id];
    if (found === undefined) throw new Error(`no broker ${id}`);
    return found;
  }

  /** Starts a broker's process on its volume as it is. */
  start(id: number): void {
    const one = this.at(id);
    if (one.gone || (one.process.alive && one.broker !== undefined)) return;
    one.down = false;
    const skew = Math.floor((this.#random.next() - 0.5) * 4000);
    const process = new SimProcess(one.host, ++this.#incarnations, this.#clock, skew);
    one.process = process;
    this.network.lighten(one.host);
    const diskRandom = seededRandom(this.#random.below(2 ** 31));
    one.storage.setOptions({
      scheduler: process.scheduler,
      delay: () => diskDelay(diskRandom, one.slowDisk),
      fault: (operation, path) => {
        if (one.readErrors === 0 || operation !== "read" || !path.endsWith(".log")) return;
        if (diskRandom.below(one.readErrors) === 0) throw new StorageError("EIO", READ_ERROR);
      },
    });
    const logger = this.#logger.child({ broker: id, process: process.incarnation });
    const broker = new Broker(
      {
        scheduler: process.scheduler,
        random: seededRandom(this.#random.below(2 ** 31)),
        storage: one.storage.mount(),
        network: this.network.of(process),
        kube: this.kube.of(process),
        logger,
        panic: (error) => {
          this.#panicked(one, process, error);
          throw new Halted();
        },
      },
      {
        clusterName: CLUSTER,
        namespace: NAMESPACE,
        brokerId: id,
        version: "sim",
        config: new BrokerConfig(this.shape.config),
        listen: { host: one.host, advertisedHost: one.host, ports: PORTS },
      },
    );
    one.broker = broker;
    this.#history.add(`start ${one.host} (${process.incarnation})`);
    broker.start().then(
      () => {
        if (!process.alive) return;
        this.#history.add(`ready ${one.host} (${process.incarnation}) epoch ${broker.epoch}`);
      },
      (error: unknown) => {
        if (process.alive) this.#panicked(one, process, error);
      },
    );
  }

  /** kill -9: what was written is in the page cache, and there for the next process. */
  kill(id: number): void {
    const one = this.at(id);
    one.process.end();
    one.broker?.kill();
    one.broker = undefined;
    one.down = true;
    this.#history.add(`kill ${one.host}`);
  }

  /** The machine goes off: of what was not synced, chance keeps some. */
  crash(id: number): void {
    const one = this.at(id);
    this.network.darken(one.host);
    this.kill(id);
    one.storage.crash(seededRandom(this.#random.below(2 ** 31)));
    this.#history.add(`crash ${one.host}`);
  }

  /** The machine goes off and comes back with an empty volume. */
  loseVolume(id: number): void {
    const one = this.at(id);
    if (one.gone) return;
    this.network.darken(one.host);
    this.kill(id);
    one.storage.wipe();
    one.storageId = undefined;
    this.#lost(one);
    this.#history.add(`lose the volume of ${one.host}`);
  }

  /**
   * A broker has opened its volume. @returns whether it has given up the one that it had, or what was left of it: then
   * it is as good as lost
   */
  opened(one: SimBroker, storageId: string): boolean {
    const before = one.storageId;
    if (before === storageId) return false;
    one.storageId = storageId;
    if (before === undefined) return false;
    this.#history.add(`${one.host} takes its volume for a new one`);
    if (!this.rot.mayDisown(one.id)) {
      this.#report("L2", `${one.host} takes its volume for a new one, and nothing was damaged`);
    }
    this.#lost(one);
    return true;
  }

  /** A broker has recorded the volume that it has: whoever counts on it from here on counts on that one. */
  registered({ spec, status }: BrokerObject): void {
    const one = this.brokers[spec.id];
    if (one?.storageId !== undefined && status?.storage?.id === one.storageId) {
      one.volumeLost = false;
    }
  }

  #lost(one: SimBroker): void {
    one.volumeLost = true;
    this.volumesLost++;
    this.onceLost.add(one.id);
  }

  /** SIGTERM, and what follows. */
  drain(id: number): void {
    const one = this.at(id);
    const { broker, process } = one;
    if (broker === undefined || !process.alive) return;
    this.#history.add(`drain ${one.host}`);
    one.down = true;
    // A paused process gets the signal when it goes on.
    process.run(() => {
      broker.drain().then(
        () => {
          if (!process.alive) return;
          this.#history.add(`drained ${one.host}`);
          process.end();
          one.broker = undefined;
        },
        (error: unknown) => {
          if (process.alive) this.#panicked(one, process, error);
        },
      );
    });
  }

  /** Nothing of the cluster does anything any more. */
  end(): void {
    for (const { process, broker } of this.brokers) {
      process.end();
      broker?.kill();
    }
    this.killOperator();
  }

  /** How many brokers the cluster is to have. */
  get wantedBrokers(): number {
    return (this.store.get(brokerClusters, NAMESPACE, CLUSTER) as BrokerCluster).spec.brokers;
  }

  /** Somebody writes another number of brokers into the BrokerCluster; the operator sees to the rest. */
  scale(brokers: number): void {
    const object = this.store.get(brokerClusters, NAMESPACE, CLUSTER) as BrokerCluster;
    const changed: BrokerCluster = { ...object, spec: { ...object.spec, brokers } };
    this.store.update(brokerClusters, NAMESPACE, changed);
    this.#history.add(`scale to ${String(brokers)} brokers`);
  }

  /** Somebody chooses the replicas of a topic's partitions, or leaves them to the operator again. */
  assign(topic: string, assignments: readonly (readonly number[])[] | undefined): void {
    const object = this.store.get(topics, NAMESPACE, topic) as Topic;
    const { cluster, partitions, replicas, minInSyncReplicas } = object.spec;
    const spec = { cluster, partitions, replicas, minInSyncReplicas };
    const changed = {
      ...object,
      spec: assignments === undefined ? spec : { ...spec, assignments },
    } as Topic;
    this.store.update(topics, NAMESPACE, changed);
    this.#history.add(
      `assign ${topic} to ${assignments?.map((ids) => ids.join()).join(" ") ?? "any"}`,
    );
  }

  /** What the StatefulSet's controller does. */
  #setPods(set: KubeObject): void {
    const { spec } = set as StatefulSet;
    for (const one of this.brokers) {
      const wanted = one.id < (spec.replicas ?? 0);
      if (wanted === !one.gone) continue;
      this.#history.add(`${one.host} ${wanted ? "comes" : "goes"}`);
      if (wanted) {
        one.gone = false;
        this.start(one.id);
        continue;
      }
      this.drain(one.id);
      one.gone = true;
      this.#clock.after(GRACE_MS, () => {
        if (one.gone && one.process.alive) this.kill(one.id);
      });
    }
  }

  /** The slices, with the states of their partitions as they are recorded. */
  slices(): RecordedSlice[] {
    return withStates(
      this.store.list(partitionSlices, NAMESPACE) as PartitionSlice[],
      this.store.list(leadershipShards, NAMESPACE) as LeadershipShard[],
    );
  }

  /** Every partition of every topic has a leader, all of its replicas in sync, and nothing is being moved. */
  isWhole(): boolean {
    const slices = this.slices();
    for (const { name, partitions } of this.shape.topics) {
      const placed = slices.filter(({ spec }) => spec.topic === name);
      const count = placed.reduce((sum, { spec }) => sum + spec.partitions.length, 0);
      if (count !== partitions) return false;
    }
    return slices.every(({ spec, states }) =>
      spec.partitions.every(({ replicas, adding, removing }, index) => {
        const state = states[index];
        if (state === undefined || state.leader === NO_LEADER) return false;
        if (adding !== undefined || removing !== undefined) return false;
        return replicas.every((replica) => state.isr.includes(replica));
      }),
    );
  }

  /** The host of some leader that waits for a change of in-sync replicas that it has proposed. */
  proposer(): string | undefined {
    return this.brokers.find(({ broker, process }) => {
      if (!process.alive || broker === undefined) return false;
      for (const { leaderReplica } of broker.replicas?.all() ?? []) {
        if (leaderReplica?.hasPending === true) return true;
      }
      return false;
    })?.host;
  }

  /** No partition counts on the broker: it is in no ISR and no ELR. */
  isOutsideEverywhere(id: number): boolean {
    return this.slices().every(({ states }) =>
      states.every((state) => state?.isr.includes(id) !== true && state?.elr.includes(id) !== true),
    );
  }

  describe(): string {
    return this.slices()
      .flatMap(({ spec, states }) =>
        spec.partitions.map(({ replicas }, index) => {
          const state = states[index];
          const what = state === undefined ? "no record" : stateText(state);
          return `${spec.topic}-${spec.firstPartition + index} on ${replicas.join(",")} ${what}`;
        }),
      )
      .join("; ");
  }

  #panicked(one: SimBroker, process: SimProcess, error: unknown): void {
    if (!process.alive) return;
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    // Overtaken by a newer process of the same broker: the one reason to end that is nobody's fault.
    if (error instanceof SupersededError || isDisk(error)) {
      this.#history.add(`${one.host} ends: ${error.message}`);
    } else this.#report("panic", `${one.host}: ${reason}`);
    process.end();
    one.broker?.kill();
    one.broker = undefined;
    this.#clock.after(RESTART_MS, () => {
      if (!one.process.alive && !one.down) this.start(one.id);
    });
  }

  #checkChange(before: LeadershipShard, after: LeadershipShard): void {
    const names = new Map(
      (this.store.list(partitionSlices, NAMESPACE) as PartitionSlice[]).flatMap(({ spec }) =>
        spec.partitions.map((_, index): [string, string] => {
          const partition = spec.firstPartition + index;
          return [recordKey(spec.topicId, partition), `${spec.topic}-${partition}`];
        }),
      ),
    );
    const old = before.status?.partitions ?? {};
    const now = after.status?.partitions ?? {};
    checkRecordedChange(old, now, (key) => names.get(key), this.#report, this.volumesLost > 0);
    for (const [key, text] of Object.entries(now)) {
      const previous = old[key];
      if (previous === text) continue;
      this.#history.add(`${names.get(key) ?? key} ${previous ?? "new"} -> ${text}`);
    }
  }
}

/** A broker cannot start on a full volume, nor go on with one that it cannot read where it has to. */
function isDisk(error: unknown): error is StorageError {
  if (!(error instanceof StorageError)) return false;
  return error.code === "ENOSPC" || (error.code === "EIO" && error.message === READ_ERROR);
}

/** Mostly fast, at times slow. */
function diskDelay(random: Random, slower: number): number {
  const kind = random.below(200);
  if (kind === 0) return random.next() * 80;
  return 0.02 + random.next() * (kind < 20 ? 4 : 0.5) * slower;
}
