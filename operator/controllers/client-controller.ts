import type { ClientQuota } from "../../cluster/client-quota.ts";
import { clientQuotas, users } from "../../cluster/resources.ts";
import type { User } from "../../cluster/user.ts";
import type { Resource } from "../../kube/api.ts";
import { NotFoundError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import { type Caches, find, keyOf, splitKey } from "../caches.ts";
import type { OperatorOptions } from "../operator.ts";
import { clientQuotaStatus, userStatus } from "../status/client-status.ts";
import { sameStatus } from "../status/same-status.ts";
import { reconcileQueue } from "./reconcile-queue.ts";

/**
 * User and ClientQuota → their status, and nothing else: brokers follow quotas by themselves. Its caches are its own,
 * so that an operator that is newer than the resource definitions goes on without these kinds.
 */
export function startClientController(options: OperatorOptions, caches: Caches): { stop(): void } {
  const { kube, namespace, scheduler, random, logger } = options;
  const common = { api: kube, namespace, scheduler, random, logger };
  const userCache = createInformer({ ...common, resource: users });
  const quotaCache = createInformer({ ...common, resource: clientQuotas });
  const known = (object: User | ClientQuota): boolean =>
    find(caches.clusters, namespaceOf(object), object.spec.cluster) !== undefined;
  const queues = [
    statusQueue(options, caches, users, userCache, (user) =>
      userStatus(user, known(user), scheduler.wallNow()),
    ),
    statusQueue(options, caches, clientQuotas, quotaCache, (quota) => {
      const beside = quotaCache.items().values();
      const all = [...beside].filter((one) => namespaceOf(one) === namespaceOf(quota));
      return clientQuotaStatus(quota, all, known(quota), scheduler.wallNow());
    }),
  ];
  // What one quota is may hang on another one of the same entity.
  quotaCache.onChange(({ object }) => {
    for (const queue of queues) queue.addThoseOf(namespaceOf(object), object.spec.cluster);
  });
  caches.clusters.onChange(({ object, type }) => {
    if (type === "MODIFIED") return;
    for (const queue of queues) queue.addThoseOf(namespaceOf(object), object.metadata.name);
  });
  userCache.start();
  quotaCache.start();
  return {
    stop: () => {
      for (const queue of queues) queue.stop();
      userCache.stop();
      quotaCache.stop();
    },
  };
}

interface StatusQueue {
  /** Those of a cluster are looked at again. */
  addThoseOf(namespace: string, cluster: string): void;
  stop(): void;
}

/** Writes the status of each object of a kind when it says something new. */
function statusQueue<T extends User | ClientQuota>(
  options: OperatorOptions,
  { synced }: Caches,
  resource: Resource<T>,
  cache: Informer<T>,
  statusOf: (object: T) => T["status"],
): StatusQueue {
  const queue = reconcileQueue(options, {
    handler: async (key) => {
      await Promise.all([synced, cache.synced]);
      const { namespace, name } = splitKey(key);
      const object = find(cache, namespace, name);
      if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
      const status = statusOf(object);
      if (sameStatus(object.status, status)) return;
      try {
        await options.kube.replace(
          resource,
          namespace,
          { ...object, status },
          { subresource: "status" },
        );
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
      }
    },
    field: "object",
    again: `the status of a ${resource.kind} is looked at again`,
    failed: `the status of a ${resource.kind} could not be written`,
  });
  cache.onChange(({ object }) => {
    queue.add(keyOf(object));
  });
  return {
    addThoseOf: (namespace, cluster) => {
      for (const object of cache.items().values()) {
        if (namespaceOf(object) === namespace && object.spec.cluster === cluster) {
          queue.add(keyOf(object));
        }
      }
    },
    stop: () => {
      queue.stop();
    },
  };
}

function namespaceOf({ metadata }: KubeObject): string {
  return metadata.namespace ?? "default";
}
