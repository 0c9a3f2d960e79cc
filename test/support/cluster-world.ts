import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { shardName } from "../../cluster/names.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import {
  API_VERSION,
  brokerClusters,
  CLUSTER_LABEL,
  leases,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi } from "../../kube/api.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import {
  createMemoryKubeApi,
  type KubeCall,
  type KubeFault,
} from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { startStatefulSetController } from "../../local/controllers/stateful-set-controller.ts";
import { claims, pods, statefulSets, type Pod, type StatefulSet } from "../../local/workloads.ts";
import { createCaches } from "../../operator/caches.ts";
import { startBrokerClusterController } from "../../operator/controllers/broker-cluster-controller.ts";
import { events } from "../../operator/resources/workloads.ts";
import { FakePods } from "./fake-pods.ts";
import { recordStates } from "./recorded-slices.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";

export const NAMESPACE = "default";
const NAME = "c";

export interface ClusterWorldOptions {
  readonly fault?: (call: KubeCall) => KubeFault | undefined;
  /** Whether a pod can run; one that cannot stays in ImagePullBackOff. */
  readonly runs?: (pod: Pod) => boolean;
  readonly image?: string;
}

/**
 * The controller of BrokerClusters on an API in memory, with the StatefulSet controller and with pods and brokers that do
 * what they ought to: get ready, register, leave and join the in-sync replicas. All on virtual time.
 */
export class ClusterWorld {
  readonly scheduler = new VirtualScheduler();
  readonly kube: KubeApi;
  /** What the operator wrote, `verb plural name`, but for events. */
  readonly writes: string[] = [];
  /** The pods, and what their brokers do. */
  readonly fakes: FakePods;
  readonly #watched: KubeApi;
  readonly #random = seededRandom(7);
  readonly #stops: (() => void)[] = [];
  #stopOperator: () => void = () => undefined;

  constructor(options: ClusterWorldOptions = {}) {
    const { scheduler } = this;
    const store = new ObjectStore({ scheduler, random: this.#random });
    this.kube = createMemoryKubeApi({ store, scheduler });
    this.#watched = createMemoryKubeApi({
      store,
      scheduler,
      fault: (call) => {
        const isWrite = !["get", "list", "watch"].includes(call.verb);
        if (isWrite && call.resource.plural !== "events") {
          this.writes.push(`${call.verb} ${call.resource.plural} ${call.name}`);
        }
        return options.fault?.(call);
      },
    });
    const common = { scheduler, random: this.#random, logger: silentLogger };
    const sets = startStatefulSetController({ ...common, api: this.kube });
    this.#stops.push(() => {
      sets.stop();
    });
    this.fakes = new FakePods({
      kube: this.kube,
      namespace: NAMESPACE,
      cluster: NAME,
      scheduler,
      random: this.#random,
      ...(options.runs === undefined ? {} : { runs: options.runs }),
    });
    this.fakes.start();
    this.#stops.push(() => {
      this.fakes.stop();
    });
    this.startOperator(options.image ?? "forebay:1");
  }

  /** Starts the controller (again), as another version of the operator when the image is another. */
  startOperator(brokerImage: string): void {
    this.#stopOperator();
    const options = {
      kube: this.#watched,
      namespace: "",
      scheduler: this.scheduler,
      random: this.#random,
      logger: silentLogger,
      brokerImage,
    };
    const caches = createCaches(options);
    const controller = startBrokerClusterController(options, caches);
    caches.start();
    this.#stopOperator = () => {
      controller.stop();
      caches.stop();
    };
  }

  stop(): void {
    this.#stopOperator();
    for (const stop of this.#stops) stop();
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.until(promise);
  }

  create(spec: BrokerCluster["spec"], annotations: Record<string, string> = {}): Promise<unknown> {
    return this.do(
      this.kube.create(brokerClusters, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata: { name: NAME, namespace: NAMESPACE, annotations },
        spec,
      }),
    );
  }

  /** A cluster all of whose brokers are ready. */
  async ready(spec: BrokerCluster["spec"]): Promise<void> {
    await this.create(spec);
    await this.scheduler.advance(2000);
    this.fakes.restarts.length = 0;
    this.writes.length = 0;
  }

  cluster(): Promise<BrokerCluster> {
    return this.do(this.kube.get(brokerClusters, NAMESPACE, NAME));
  }

  async change(
    spec: Partial<BrokerCluster["spec"]>,
    annotations: Record<string, string> = {},
  ): Promise<void> {
    const now = await this.cluster();
    await this.do(
      this.kube.replace(brokerClusters, NAMESPACE, {
        ...now,
        metadata: {
          ...now.metadata,
          annotations: { ...now.metadata.annotations, ...annotations },
        },
        spec: { ...now.spec, ...spec },
      }),
    );
  }

  set(): Promise<StatefulSet> {
    return this.do(this.kube.get(statefulSets, NAMESPACE, NAME));
  }

  async pods(): Promise<Pod[]> {
    const { items } = await this.do(this.kube.list(pods, NAMESPACE));
    return [...items];
  }

  /** Conditions that are True, as `Type Reason`. */
  async conditions(): Promise<string> {
    const { status } = await this.cluster();
    return (status?.conditions ?? [])
      .filter((one) => one.status === "True")
      .map(({ type, reason }) => `${type} ${reason}`)
      .join(", ");
  }

  async message(type: string): Promise<string | undefined> {
    const { status } = await this.cluster();
    return status?.conditions?.find((one) => one.type === type)?.message;
  }

  async events(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(events, NAMESPACE));
    return items.map(({ reason, message }) => `${reason}: ${message}`);
  }

  /** A topic whose partitions have these replicas, all of them in sync. */
  async topic(
    name: string,
    replicas: readonly (readonly number[])[],
    spec: Partial<Topic["spec"]> = {},
  ): Promise<void> {
    const topic = await this.do(
      this.kube.create(topics, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { name, namespace: NAMESPACE },
        spec: {
          cluster: NAME,
          partitions: replicas.length,
          replicas: replicas[0]?.length ?? 1,
          ...spec,
        },
      }),
    );
    const slice: PartitionSlice = {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: { name: `${name}-000`, namespace: NAMESPACE, labels: { [CLUSTER_LABEL]: NAME } },
      spec: {
        cluster: NAME,
        topic: name,
        topicId: topic.metadata.uid ?? "",
        shard: shardName(NAME, 0),
        firstPartition: 0,
        partitions: replicas.map((each) => ({ replicas: each })),
      },
    };
    await this.do(this.kube.create(partitionSlices, NAMESPACE, slice));
    await this.inSync(name, replicas);
  }

  /** Sets the in-sync replicas of a topic's partitions. */
  async inSync(topic: string, isrs: readonly (readonly number[])[]): Promise<void> {
    const slice = await this.do(this.kube.get(partitionSlices, NAMESPACE, `${topic}-000`));
    const partitions = isrs.map((isr) => ({
      leader: isr[0] ?? -1,
      leaderEpoch: 0,
      isr,
      elr: [],
      partitionEpoch: 0,
    }));
    await this.do(recordStates(this.kube, NAMESPACE, slice, partitions));
  }

  /** Where a topic's partitions are to be. */
  async place(topic: string, replicas: readonly (readonly number[])[]): Promise<void> {
    const slice = await this.do(this.kube.get(partitionSlices, NAMESPACE, `${topic}-000`));
    const partitions = replicas.map((each) => ({ replicas: each }));
    await this.do(
      this.kube.replace(partitionSlices, NAMESPACE, {
        ...slice,
        spec: { ...slice.spec, partitions },
      }),
    );
  }

  async controller(id: number): Promise<void> {
    await this.do(
      this.kube.create(leases, NAMESPACE, {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: `${NAME}-controller`, namespace: NAMESPACE },
        spec: { holderIdentity: `${id}:1` },
      }),
    );
  }

  /** Claims by the size they ask for; the volume has it at once. */
  async claimSizes(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(claims, NAMESPACE));
    return items.map(
      ({ metadata, spec }) => `${metadata.name} ${spec.resources?.requests?.storage ?? ""}`,
    );
  }
}
