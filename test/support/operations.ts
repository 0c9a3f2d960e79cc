import assert from "node:assert/strict";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import { brokerClusters, brokers, topics } from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi, Resource } from "../../kube/api.ts";
import { NotFoundError } from "../../kube/errors.ts";
import type { Condition, KubeObject } from "../../kube/objects.ts";
import { podObjects, volumeClaims, type PodObject } from "../../operator/resources/workloads.ts";
import { changeObject } from "./change-object.ts";
import { eventually } from "./local-cluster.ts";
import { ReplicaArrivals } from "./replica-arrivals.ts";
import { type RecordedSlice, recordedSlices } from "./recorded-slices.ts";

/** A cluster on `forebay local` or on a real Kubernetes, with a publisher that runs all the time. */
export interface OperationsWorld {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly cluster: string;
  /** Longest time without an acknowledgement since the last call, in ms. */
  readonly gap: () => Promise<number>;
  readonly limitMs: number;
}

type Spec<T> = T extends { readonly spec: infer S } ? S : never;

/** What people do to a cluster, each waited for to its end. */
export class Operations {
  readonly #world: OperationsWorld;

  constructor(world: OperationsWorld) {
    this.#world = world;
  }

  /** Does something; @returns how long it took until `ends`, and the longest gap meanwhile */
  async timed(
    act: () => Promise<unknown>,
  ): Promise<{ readonly seconds: number; readonly gapMs: number }> {
    await this.#world.gap();
    const began = performance.now();
    await act();
    const seconds = (performance.now() - began) / 1000;
    return { seconds, gapMs: await this.#world.gap() };
  }

  /** Writes some fields of a spec. */
  async change<T extends BrokerCluster | Topic>(
    resource: Resource<T>,
    name: string,
    spec: { readonly [Field in keyof Spec<T>]?: Spec<T>[Field] | undefined },
  ): Promise<void> {
    const { kube, namespace } = this.#world;
    await changeObject(kube, resource, namespace, name, (now) => ({
      ...now,
      spec: { ...now.spec, ...spec },
    }));
  }

  changeCluster(spec: Parameters<typeof this.change<BrokerCluster>>[2]): Promise<void> {
    return this.change(brokerClusters, this.#world.cluster, spec);
  }

  /**
   * Waits until everything is Ready as it is wished now, nothing moves and every replica is in sync.
   * @param limitMs in place of the limit of everything
   */
  async settled(limitMs?: number): Promise<void> {
    let last = "";
    await this.#eventually(
      async () => {
        const { kube, namespace } = this.#world;
        const cluster = await this.cluster();
        const { items } = await kube.list(topics, namespace);
        const waiting = [cluster, ...items].filter((one) => !isReady(one));
        const slices = await this.slices();
        const moving = slices.filter((one) => !isWhole(one));
        const balanced = cluster.status?.balancedBrokers === cluster.spec.brokers;
        last = [
          ...waiting.map((one) => `${one.metadata.name}: ${told(one)}`),
          ...moving.map(({ metadata }) => metadata.name),
          ...(balanced ? [] : ["not balanced"]),
        ].join("; ");
        return last === "" && slices.length > 0 ? true : undefined;
      },
      "all settled",
      limitMs,
    ).catch((error: unknown) => {
      throw new Error(`not settled: ${last}`, { cause: error });
    });
  }

  /** Waits until every replica is in sync, whatever the operator says. */
  async inSync(): Promise<void> {
    await this.#eventually(
      async () => ((await this.slices()).every(isWhole) ? true : undefined),
      "all replicas in sync",
    );
  }

  /** Waits until a condition of the cluster is true for a reason. @returns its message */
  async told(type: string, reason: string): Promise<string> {
    return this.#eventually(async () => {
      const { metadata, status } = await this.cluster();
      if (status?.observedGeneration !== metadata.generation) return undefined;
      return status?.conditions?.find(
        (one) => one.type === type && one.status === "True" && one.reason === reason,
      )?.message;
    }, `${type} ${reason}`);
  }

  /** Another number of brokers, with more or fewer. @returns replicas copied and how many had to be */
  async scale(count: number): Promise<{
    readonly moved: number;
    readonly least: number;
    readonly mostAtOnce: number;
  }> {
    const { kube, namespace } = this.#world;
    const before = await this.slices();
    const arrivals = new ReplicaArrivals(kube, namespace);
    try {
      await arrivals.synced;
      await this.changeCluster({ brokers: count });
      await this.settled();
    } finally {
      arrivals.stop();
    }
    const counts = replicaCounts(await this.slices());
    assert.deepEqual([...counts.keys()].sort(), [...Array(count).keys()], "replicas by broker");
    const racks = await this.#racks(count);
    for (const rack of racks) {
      const own = rack.map((id) => counts.get(id) ?? 0);
      const uneven = Math.max(...own) - Math.min(...own);
      assert.ok(uneven <= before.length + 1, `brokers ${rack.join()} have ${own.join()} replicas`);
    }
    return {
      moved: arrivals.moved,
      least: leastMoves(replicaCounts(before), racks),
      mostAtOnce: arrivals.most,
    };
  }

  /** Brokers of each rack; all of them when there are no racks. */
  async #racks(count: number): Promise<readonly (readonly BrokerId[])[]> {
    const { kube, namespace, cluster } = this.#world;
    const racks = new Map<string | undefined, BrokerId[]>();
    for (let id = 0; id < count; id++) {
      const { status } = await kube.get(brokers, namespace, `${cluster}-${id}`);
      racks.set(status?.rack, [...(racks.get(status?.rack) ?? []), id]);
    }
    return [...racks.values()];
  }

  /** A volume and its pod go for ever. */
  async loseVolume(broker: BrokerId): Promise<void> {
    const { kube, namespace, cluster } = this.#world;
    const claim = `data-${cluster}-${broker}`;
    const before = await kube.get(volumeClaims, namespace, claim);
    await kube.delete(volumeClaims, namespace, claim);
    await kube.delete(podObjects, namespace, `${cluster}-${broker}`);
    await this.#eventually(async () => {
      try {
        const now = await kube.get(volumeClaims, namespace, claim);
        return now.metadata.uid === before.metadata.uid ? undefined : true;
      } catch (error) {
        if (error instanceof NotFoundError) return undefined;
        throw error;
      }
    }, "another volume");
    await this.podsReady();
    await this.settled();
  }

  async podsReady(): Promise<readonly PodObject[]> {
    return this.#eventually(async () => {
      const { spec } = await this.cluster();
      const pods = await this.pods();
      return pods.length === spec.brokers && pods.every(isPodReady) ? pods : undefined;
    }, "all pods ready");
  }

  async pods(): Promise<readonly PodObject[]> {
    const { kube, namespace, cluster } = this.#world;
    const labelSelector = `forebay.dev/cluster=${cluster}`;
    return (await kube.list(podObjects, namespace, { labelSelector })).items;
  }

  cluster(): Promise<BrokerCluster> {
    const { kube, namespace, cluster } = this.#world;
    return kube.get(brokerClusters, namespace, cluster);
  }

  async slices(topic?: string): Promise<readonly RecordedSlice[]> {
    const { kube, namespace } = this.#world;
    const slices = await recordedSlices(kube, namespace);
    return slices.filter(({ spec }) => topic === undefined || spec.topic === topic);
  }

  /** Who leads each partition, and in which epoch, by the slice's name and its place there. */
  async leaders(): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries(
      (await this.slices()).flatMap(({ metadata, states }) =>
        states.map((state, at) => [
          `${metadata.name}/${at}`,
          `broker ${state?.leader} in epoch ${state?.leaderEpoch}`,
        ]),
      ),
    );
  }

  makeTopic(name: string, spec: Omit<Topic["spec"], "cluster">): Promise<Topic> {
    const { kube, namespace, cluster } = this.#world;
    const topic: Topic = {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name },
      spec: { cluster, ...spec },
    };
    return kube.create(topics, namespace, topic);
  }

  /** Waits until all its pods were made again. */
  async restarted(before: readonly PodObject[]): Promise<void> {
    const old = new Set(before.map(({ metadata }) => metadata.uid));
    let leastReady = before.length;
    await this.#eventually(async () => {
      const pods = await this.pods();
      leastReady = Math.min(leastReady, pods.filter(isPodReady).length);
      const fresh = pods.filter((pod) => !old.has(pod.metadata.uid) && isPodReady(pod));
      return fresh.length === before.length ? true : undefined;
    }, "all pods made again");
    assert.ok(leastReady >= before.length - 1, `only ${leastReady} were ready at one time`);
    await this.settled();
  }

  #eventually<T>(
    look: () => Promise<T | undefined>,
    what: string,
    limitMs = this.#world.limitMs,
  ): Promise<T> {
    return eventually(look, what, limitMs);
  }
}

/** Replicas by broker. */
function replicaCounts(slices: readonly PartitionSlice[]): ReadonlyMap<BrokerId, number> {
  const counts = new Map<BrokerId, number>();
  for (const { replicas } of slices.flatMap(({ spec }) => spec.partitions)) {
    for (const id of replicas) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** So many must be copied for an even spread: what brokers that come lack. Each rack has as many as another. */
function leastMoves(
  counts: ReadonlyMap<BrokerId, number>,
  racks: readonly (readonly BrokerId[])[],
): number {
  const all = [...counts.values()].reduce((sum, one) => sum + one, 0);
  const lacking = racks.flatMap((rack) => {
    const share = Math.floor(all / racks.length / rack.length);
    return rack.map((id) => Math.max(0, share - (counts.get(id) ?? 0)));
  });
  return lacking.reduce((sum, one) => sum + one, 0);
}

function isWhole({ spec, states }: RecordedSlice): boolean {
  return spec.partitions.every(
    ({ replicas, adding, removing }, at) =>
      adding === undefined && removing === undefined && states[at]?.isr.length === replicas.length,
  );
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((one) => one.type === type && one.status === "True") === true;
}

function isReady({ metadata, status }: BrokerCluster | Topic): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    isTrue(status?.conditions, "Ready") &&
    !isTrue(status?.conditions, "Reconciling")
  );
}

function isPodReady({ metadata, status }: PodObject): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    isTrue(status?.conditions as readonly Condition[] | undefined, "Ready")
  );
}

function told({
  status,
}: KubeObject & { readonly status?: { conditions?: readonly Condition[] } }): string {
  return (status?.conditions ?? [])
    .filter((one) => one.status === "True")
    .map(({ reason, message }) => `${reason} ${message}`)
    .join(", ");
}
