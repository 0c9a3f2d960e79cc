import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { CLUSTER_LABEL } from "../../cluster/resources.ts";
import type { Resource } from "../../kube/api.ts";
import { ForbiddenError, InvalidError, NotFoundError } from "../../kube/errors.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { find, keyOf } from "../caches.ts";
import { says } from "../drift.ts";
import type { OperatorOptions } from "../operator.ts";
import {
  configMaps,
  networkPolicies,
  podDisruptionBudgets,
  roleBindings,
  roles,
  serviceAccounts,
  services,
  statefulSets,
  type Child,
  type StatefulSet,
} from "../resources/workloads.ts";

/** Of all that the operator applies: what others have set stays theirs. */
const FIELD_MANAGER = "forebay-operator";

/** What became of a child. */
export type Kept =
  | { readonly kind: "asIs"; readonly object: KubeObject }
  | { readonly kind: "created" | "changed"; readonly object: KubeObject }
  /** Only a person can help. */
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  /** The child of a deleted cluster of this name has not been removed yet. */
  | { readonly kind: "leftover"; readonly message: string };

/** Children of BrokerClusters as they are, and as they should be. */
export class ChildKeeper {
  readonly #options: OperatorOptions;
  readonly #live = new Map<Resource, Informer<KubeObject>>();
  readonly #sets: Informer<StatefulSet>;
  /** What was applied last, by kind and key: an object that the server writes in another form is not applied again. */
  readonly #applied = new Map<string, { readonly text: string; readonly object: KubeObject }>();

  constructor(options: OperatorOptions) {
    this.#options = options;
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
  }

  get synced(): Promise<unknown> {
    return Promise.all([...this.#live.values()].map(({ synced }) => synced));
  }

  /** @param onChange called with the key of the cluster whose child has changed */
  start(onChange: (key: string) => void): void {
    for (const [resource, informer] of this.#live) {
      informer.onChange(({ object, type }) => {
        if (type === "DELETED") this.#applied.delete(idOf(resource, object));
        const owner = object.metadata.ownerReferences?.find(({ kind }) => kind === "BrokerCluster");
        if (owner === undefined) return;
        onChange(`${object.metadata.namespace ?? "default"}/${owner.name}`);
      });
      informer.start();
    }
  }

  stop(): void {
    for (const informer of this.#live.values()) informer.stop();
  }

  /** The cluster's StatefulSet: as the cache has it, or as it was written since. */
  setOf({ metadata }: BrokerCluster): StatefulSet | undefined {
    const cached = find(this.#sets, metadata.namespace ?? "default", metadata.name);
    return cached === undefined ? undefined : (this.#newest(statefulSets, cached) as StatefulSet);
  }

  /** Objects of a kind in the namespace of a cluster that carry its label, as the cache has them. */
  labelled(resource: Resource, { metadata }: BrokerCluster): KubeObject[] {
    const { name, namespace = "default" } = metadata;
    return [...(this.#live.get(resource)?.items().values() ?? [])].filter(
      ({ metadata: { labels, namespace: own = "default" } }) =>
        own === namespace && labels?.[CLUSTER_LABEL] === name,
    );
  }

  /** Applies a child unless it is there as it should be. */
  async keep(child: Child, cluster: BrokerCluster): Promise<Kept> {
    const { resource, object } = child;
    const id = idOf(resource, object);
    const text = JSON.stringify(object);
    const before = this.#applied.get(id);
    const live = this.#cached(child, cluster) ?? (await this.#unlabelled(child, cluster));
    if (live !== undefined) {
      const foreign = foreignness(resource, live, cluster);
      if (foreign !== undefined) return foreign;
      const written = before?.text === text ? before.object : undefined;
      if (says(live, object, written)) return { kind: "asIs", object: live };
    }
    try {
      const namespace = cluster.metadata.namespace ?? "default";
      const applied = await this.#options.kube.apply(resource, namespace, object, FIELD_MANAGER);
      this.#applied.set(id, { text, object: applied });
      const kind = live === undefined ? "created" : "changed";
      this.#options.logger.info(kind, { kind: resource.kind, name: object.metadata.name });
      return { kind, object: applied };
    } catch (error) {
      return refusalOf(resource, object, error);
    }
  }

  #cached({ resource, object }: Child, { metadata }: BrokerCluster): KubeObject | undefined {
    const informer = this.#live.get(resource);
    if (informer === undefined) return undefined;
    const cached = find(informer, metadata.namespace ?? "default", object.metadata.name);
    return cached === undefined ? undefined : this.#newest(resource, cached);
  }

  /** A cache that lags behind our own write must not look as if somebody had undone it. */
  #newest(resource: Resource, cached: KubeObject): KubeObject {
    const applied = this.#applied.get(idOf(resource, cached))?.object;
    const isNewer =
      applied !== undefined &&
      applied.metadata.uid === cached.metadata.uid &&
      (applied.metadata.generation ?? 0) > (cached.metadata.generation ?? 0);
    return isNewer ? applied : cached;
  }

  /** An object of the child's name that is not in the caches: one without our labels, or so new that they lag. */
  async #unlabelled(child: Child, cluster: BrokerCluster): Promise<KubeObject | undefined> {
    const { resource, object } = child;
    const namespace = cluster.metadata.namespace ?? "default";
    try {
      return await this.#options.kube.get(resource, namespace, object.metadata.name);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }
}

/** Somebody else's object is not taken over, whatever its name. */
function foreignness(
  { kind }: Resource,
  live: KubeObject,
  cluster: BrokerCluster,
): Kept | undefined {
  const { name, labels } = live.metadata;
  const owner = live.metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) {
    // Without an owner, but labelled as ours: restored from a backup, for example.
    if (labels?.[CLUSTER_LABEL] === cluster.metadata.name) return undefined;
  } else {
    if (owner.uid === cluster.metadata.uid) return undefined;
    if (owner.kind === "BrokerCluster" && owner.name === cluster.metadata.name) {
      return {
        kind: "leftover",
        message: `${kind} ${name} of the deleted cluster of the same name has not been removed yet`,
      };
    }
  }
  return {
    kind: "refused",
    reason: "NameTaken",
    message: `there is a ${kind} ${name} that is not of this cluster; delete it, or make the cluster anew with another name`,
  };
}

function refusalOf({ kind }: Resource, { metadata }: KubeObject, error: unknown): Kept {
  if (error instanceof InvalidError) {
    return {
      kind: "refused",
      reason: "ChildInvalid",
      message: `the ${kind} ${metadata.name} made from the spec is refused; correct the spec: ${error.message}`,
    };
  }
  if (error instanceof ForbiddenError) {
    return {
      kind: "refused",
      reason: "ChildForbidden",
      message: `the operator may not write the ${kind} ${metadata.name}; check its role, quotas and admission policies: ${error.message}`,
    };
  }
  throw error;
}

function idOf({ plural }: Resource, object: KubeObject): string {
  return `${plural} ${keyOf(object)}`;
}
