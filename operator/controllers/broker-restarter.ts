import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import { recordedStates } from "../../cluster/leadership-shard.ts";
import { leaseName } from "../../cluster/names.ts";
import {
  brokers,
  CLUSTER_LABEL,
  leases,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import { ConflictError, NotFoundError } from "../../kube/errors.ts";
import type { Lease } from "../../kube/objects.ts";
import type { OperatorOptions } from "../operator.ts";
import { isOutdated, ordinalOf, rollingInputs } from "../plan/rolling-inputs.ts";
import { planRollingRestart, type RollingRestart } from "../plan/rolling-restart.ts";
import {
  isReadyPod,
  podObjects,
  statefulSets,
  type PodObject,
  type StatefulSet,
} from "../resources/workloads.ts";
import { podProblem } from "../status/pod-problem.ts";
import { ChildCache } from "./child-cache.ts";

/** A step of a rolling restart, and the pod that it would take away. */
export interface RestartStep {
  readonly plan: RollingRestart;
  readonly pod: PodObject | undefined;
}

/** Restarts brokers whose pods are of an older template: what may be restarted is decided on fresh reads alone. */
export class BrokerRestarter {
  readonly #options: OperatorOptions;
  readonly #pods: ChildCache<PodObject>;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#pods = new ChildCache(options, podObjects);
  }

  get synced(): Promise<void> {
    return this.#pods.synced;
  }

  start(onChange: (key: string) => void): void {
    this.#pods.start(onChange);
  }

  stop(): void {
    this.#pods.stop();
  }

  /** By the caches: a reason to look closer, or none. */
  isUnderWay(cluster: BrokerCluster, set: StatefulSet): boolean {
    return this.#podsOf(cluster, set).some((pod) => isOutdated(pod, set));
  }

  /** A broker's pod, as the cache has it. */
  podOf({ metadata }: BrokerCluster, id: BrokerId): PodObject | undefined {
    return this.#pods.find(metadata.namespace ?? "default", `${metadata.name}-${id}`);
  }

  /** Why one of the pods does not start, if one does not and its status tells. */
  problem(cluster: BrokerCluster, set: StatefulSet): string | undefined {
    for (const pod of this.#podsOf(cluster, set)) {
      const problem = isReadyPod(pod) ? undefined : podProblem(pod);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** What the next step is, from fresh reads; undefined when the StatefulSet has not been looked at by its controller. */
  async plan(cluster: BrokerCluster): Promise<RestartStep | undefined> {
    const { kube } = this.#options;
    const { name, namespace = "default" } = cluster.metadata;
    const ofCluster = { labelSelector: `${CLUSTER_LABEL}=${name}` };
    const [set, podList, brokerList, topicList, lease] = await Promise.all([
      kube.get(statefulSets, namespace, name),
      kube.list(podObjects, namespace, ofCluster),
      kube.list(brokers, namespace, ofCluster),
      kube.list(topics, namespace),
      this.#lease(namespace, name),
    ]);
    if ((set.status?.observedGeneration ?? 0) < (set.metadata.generation ?? 0)) return undefined;
    const sliceList = await kube.list(partitionSlices, namespace, ofCluster);
    // Last, so that the in-sync replicas are no older than what else was read.
    const shardList = await kube.list(leadershipShards, namespace, ofCluster);
    const pods = podList.items.filter((pod) => ordinalOf(pod, set) !== undefined);
    const plan = planRollingRestart(
      rollingInputs({
        cluster,
        set,
        pods,
        brokers: brokerList.items.filter(({ spec }) => spec.cluster === name),
        topics: topicList.items.filter(({ spec }) => spec.cluster === name),
        slices: sliceList.items,
        states: recordedStates(shardList.items),
        lease,
      }),
    );
    const pod = pods.find((one) => ordinalOf(one, set) === plan.next);
    return { plan, pod: plan.next === undefined ? undefined : pod };
  }

  /** Deletes the pod that was looked at, and no other of its name. @returns whether it was there */
  async restart(cluster: BrokerCluster, id: BrokerId, pod: PodObject): Promise<boolean> {
    const { kube, logger } = this.#options;
    const { name, uid } = pod.metadata;
    const namespace = cluster.metadata.namespace ?? "default";
    try {
      await kube.delete(podObjects, namespace, name, uid === undefined ? {} : { uid });
    } catch (error) {
      if (error instanceof NotFoundError || error instanceof ConflictError) return false;
      throw error;
    }
    logger.info("broker is restarted", { cluster: cluster.metadata.name, broker: id });
    return true;
  }

  async #lease(namespace: string, cluster: string): Promise<Lease | undefined> {
    try {
      return await this.#options.kube.get(leases, namespace, leaseName(cluster));
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  #podsOf({ metadata }: BrokerCluster, set: StatefulSet): PodObject[] {
    const namespace = metadata.namespace ?? "default";
    return Array.from({ length: set.spec.replicas ?? 1 }, (_, id) =>
      this.#pods.find(namespace, `${set.metadata.name}-${id}`),
    ).filter((pod) => pod !== undefined);
  }
}
