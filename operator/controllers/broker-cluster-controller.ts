import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { brokerClusters, CLUSTER_LABEL, partitionSlices } from "../../cluster/resources.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../kube/errors.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { Resource } from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { type Caches, find, keyOf, splitKey } from "../caches.ts";
import { says, writtenVersion } from "../drift.ts";
import type { OperatorOptions } from "../operator.ts";
import type { ClusterContext } from "../resources/context.ts";
import { children } from "../resources/index.ts";
import {
  configMaps,
  networkPolicies,
  podDisruptionBudgets,
  roleBindings,
  roles,
  serviceAccounts,
  services,
  type Child,
  type StatefulSet,
  statefulSets,
} from "../resources/workloads.ts";
import { brokerClusterStatus, type ClusterFinding } from "../status/broker-cluster-status.ts";
import { sameStatus } from "../status/same-status.ts";

const FIELD_MANAGER = "forebay-operator";
const PAUSED = "forebay.dev/paused";

/** BrokerCluster → its children, kept as they should be. */
export function startBrokerClusterController(
  options: OperatorOptions,
  caches: Caches,
): { stop(): void } {
  const controller = new BrokerClusterController(options, caches);
  controller.watch();
  return controller;
}

class BrokerClusterController {
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #queue: WorkQueue;
  /** Live children by kind, those of our clusters alone. */
  readonly #live = new Map<Resource, Informer<KubeObject>>();
  readonly #sets: Informer<StatefulSet>;
  /** What was applied last, by kind and key: an object that the server writes in another form is not applied again. */
  readonly #applied = new Map<string, { readonly text: string; readonly version: string }>();

  constructor(options: OperatorOptions, caches: Caches) {
    this.#options = options;
    this.#caches = caches;
    const { kube, namespace, scheduler, random, logger } = options;
    const watched = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
      createInformer({
        api: kube,
        namespace,
        scheduler,
        random,
        logger,
        resource,
        labelSelector: CLUSTER_LABEL,
      });
    this.#sets = watched(statefulSets);
    this.#live.set(statefulSets, this.#sets);
    const others: Resource[] = [
      configMaps,
      services,
      serviceAccounts,
      roles,
      roleBindings,
      podDisruptionBudgets,
      networkPolicies,
    ];
    for (const resource of others) this.#live.set(resource, watched(resource));
    this.#queue = new WorkQueue({
      scheduler,
      random,
      handler: (key) => this.#reconcile(key),
      onError: (key, error, failures) => {
        const fields = {
          cluster: key,
          failures,
          error: error instanceof Error ? error.message : String(error),
        };
        if (error instanceof ConflictError || error instanceof AlreadyExistsError) {
          logger.debug("a cluster is looked at again", fields);
        } else logger.warn("a cluster could not be reconciled", fields);
      },
    });
  }

  watch(): void {
    this.#caches.clusters.onChange(({ object }) => {
      this.#queue.add(keyOf(object));
    });
    this.#caches.slices.onChange(({ object }) => {
      const namespace = object.metadata.namespace ?? "default";
      const cluster = find(this.#caches.clusters, namespace, object.spec.cluster);
      // Only a cluster that waits for brokers to be empty asks where partitions are.
      if (cluster !== undefined && this.#isShrinking(cluster)) this.#queue.add(keyOf(cluster));
    });
    for (const informer of this.#live.values()) {
      informer.onChange(({ object }) => {
        const owner = object.metadata.ownerReferences?.find((one) => one.kind === "BrokerCluster");
        if (owner === undefined) return;
        this.#queue.add(`${object.metadata.namespace ?? "default"}/${owner.name}`);
      });
      informer.start();
    }
  }

  stop(): void {
    this.#queue.stop();
    for (const informer of this.#live.values()) informer.stop();
  }

  async #reconcile(key: string): Promise<void> {
    await this.#caches.synced;
    await Promise.all([...this.#live.values()].map(({ synced }) => synced));
    const { namespace, name } = splitKey(key);
    const cluster = find(this.#caches.clusters, namespace, name);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) return;
    if (cluster.metadata.annotations?.[PAUSED] === "true") return;
    const context: ClusterContext = {
      cluster,
      replicas: await this.#replicas(cluster, namespace),
      image: this.#options.brokerImage,
    };
    for (const child of children(context)) await this.#keep(child, namespace);
    await this.#report(context, { kind: "applied" });
  }

  /** As the spec says; but a broker that still has partitions stays until they have moved. */
  async #replicas(cluster: BrokerCluster, namespace: string): Promise<number> {
    const { brokers } = cluster.spec;
    if (!this.#isShrinking(cluster)) return brokers;
    const present = this.#setOf(cluster)?.spec.replicas ?? 0;
    // A pod is taken away: decided on a fresh read.
    const { items } = await this.#options.kube.list(partitionSlices, namespace, {
      labelSelector: `${CLUSTER_LABEL}=${cluster.metadata.name}`,
    });
    let needed = brokers;
    for (const { spec, status } of items) {
      for (const [index, { replicas }] of spec.partitions.entries()) {
        const isr = status?.partitions?.[index]?.isr ?? [];
        needed = Math.max(needed, ...[...replicas, ...isr].map((id) => id + 1));
      }
    }
    return Math.min(needed, present);
  }

  #isShrinking(cluster: BrokerCluster): boolean {
    return (this.#setOf(cluster)?.spec.replicas ?? 0) > cluster.spec.brokers;
  }

  #setOf({ metadata }: BrokerCluster): StatefulSet | undefined {
    return find(this.#sets, metadata.namespace ?? "default", metadata.name);
  }

  /** Applies a child unless it is there as it should be. */
  async #keep(child: Child, namespace: string): Promise<void> {
    const { resource } = child;
    const informer = this.#live.get(resource);
    const live =
      informer === undefined ? undefined : find(informer, namespace, child.object.metadata.name);
    const object = withFixedFields(child.object, live);
    if (live !== undefined && says(live, object)) return;
    const id = `${resource.plural} ${keyOf(object)}`;
    const text = JSON.stringify(object);
    const before = this.#applied.get(id);
    const unchanged = live !== undefined && before?.version === writtenVersion(live);
    if (unchanged && before.text === text) return;
    const applied = await this.#options.kube.apply(resource, namespace, object, FIELD_MANAGER);
    this.#applied.set(id, { text, version: writtenVersion(applied) });
    this.#options.logger.info(live === undefined ? "created" : "changed", {
      kind: resource.kind,
      name: object.metadata.name,
    });
  }

  async #report(context: ClusterContext, finding: ClusterFinding): Promise<void> {
    const { kube, scheduler } = this.#options;
    const { cluster } = context;
    const set = this.#setOf(cluster);
    const status = brokerClusterStatus(context, finding, set, scheduler.wallNow());
    if (sameStatus(cluster.status, status)) return;
    const namespace = cluster.metadata.namespace ?? "default";
    try {
      await kube.replace(
        brokerClusters,
        namespace,
        { ...cluster, status },
        {
          subresource: "status",
        },
      );
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}

/** Templates of claims cannot be changed: those of a StatefulSet that exists stay. */
function withFixedFields(object: KubeObject, live: KubeObject | undefined): KubeObject {
  if (object.kind !== "StatefulSet" || live === undefined) return object;
  const desired = object as StatefulSet;
  const present = (live as StatefulSet).spec["volumeClaimTemplates"];
  if (present === undefined) return object;
  return { ...desired, spec: { ...desired.spec, volumeClaimTemplates: present } } as StatefulSet;
}
