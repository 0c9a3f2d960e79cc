import { NotFoundError } from "../../kube/errors.ts";
import { createInformer } from "../../kube/informer.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { claims, pods } from "../workloads.ts";
import type { PersistentVolumeClaim } from "../workloads.ts";
import type { Controller, ControllerOptions } from "./stateful-set-controller.ts";
import { planClaim, usesClaim } from "./volume-claims.ts";

/** Binds all claims at once, and lets those that are deleted go when no pod uses them. */
export function startVolumeClaimsController(options: ControllerOptions): Controller {
  const { api, scheduler, random, logger } = options;
  const cache = createInformer({ ...options, resource: claims, namespace: "" });
  const podCache = createInformer({ ...options, resource: pods, namespace: "" });
  const queue = new WorkQueue({
    scheduler,
    random,
    handler: reconcile,
    onError: (key, error, failures) => {
      logger.warn("a volume claim could not be reconciled", {
        key,
        failures,
        error: error instanceof Error ? error.message : String(error),
      });
    },
  });

  async function reconcile(key: string): Promise<void> {
    await Promise.all([cache.synced, podCache.synced]);
    const [namespace = "", name = ""] = key.split("/");
    try {
      const claim = await api.get(claims, namespace, name);
      // A pod that is not in the cache yet must not lose its claim: deletion is decided on a fresh list.
      const { items } = await api.list(pods, namespace);
      const plan = planClaim(claim, items);
      // Finalizers first: a claim must not be seen as bound before it is protected.
      let version = claim.metadata;
      if (!sameNames(claim.metadata.finalizers ?? [], plan.finalizers)) {
        const metadata = { ...claim.metadata, finalizers: plan.finalizers };
        version = (await api.replace(claims, namespace, { ...claim, metadata })).metadata;
      }
      const gone = version.deletionTimestamp !== undefined && plan.finalizers.length === 0;
      if (gone || sameStatus(claim.status, plan.status)) return;
      const next = { ...claim, metadata: version, status: plan.status };
      await api.replace(claims, namespace, next, { subresource: "status" });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  const keyOf = ({ metadata }: PersistentVolumeClaim): string =>
    `${metadata.namespace ?? "default"}/${metadata.name}`;
  cache.onChange(({ object, type }) => {
    if (type !== "DELETED") queue.add(keyOf(object));
  });
  podCache.onChange(({ object }) => {
    for (const claim of cache.items().values()) {
      if (claim.metadata.deletionTimestamp === undefined) continue;
      if (usesClaim(object, claim.metadata.name)) queue.add(keyOf(claim));
    }
  });
  podCache.start();
  cache.start();
  return {
    stop: () => {
      queue.stop();
      cache.stop();
      podCache.stop();
    },
  };
}

function sameStatus(
  a: PersistentVolumeClaim["status"],
  b: NonNullable<PersistentVolumeClaim["status"]>,
): boolean {
  return (
    a?.phase === b.phase &&
    a?.capacity?.storage === b.capacity?.storage &&
    sameNames(a?.accessModes ?? [], b.accessModes ?? [])
  );
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
