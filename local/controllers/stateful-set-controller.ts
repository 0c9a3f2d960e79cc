import type { KubeApi } from "../../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../kube/errors.ts";
import { createInformer } from "../../kube/informer.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { claims, controllerOf, pods, statefulSets } from "../workloads.ts";
import type { StatefulSet } from "../workloads.ts";
import { planStatefulSet } from "./stateful-set.ts";
import type { StatefulSetAction } from "./stateful-set.ts";

export interface ControllerOptions {
  readonly api: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Controller {
  /** Starts no action any more. */
  stop(): void;
}

/** Makes and ends the pods and claims of all StatefulSets: each is looked at whenever it or one of its own changes. */
export function startStatefulSetController(options: ControllerOptions): Controller {
  const { api, scheduler, random, logger } = options;
  const sets = createInformer({ ...options, resource: statefulSets, namespace: "" });
  const podCache = createInformer({ ...options, resource: pods, namespace: "" });
  const claimCache = createInformer({ ...options, resource: claims, namespace: "" });
  const queue = new WorkQueue({
    scheduler,
    random,
    handler: reconcile,
    onError: (key, error, failures) => {
      logger.warn("a StatefulSet could not be reconciled", {
        key,
        failures,
        error: error instanceof Error ? error.message : String(error),
      });
    },
  });

  async function reconcile(key: string): Promise<void> {
    await Promise.all([sets.synced, podCache.synced, claimCache.synced]);
    const { namespace, name } = split(key);
    let set: StatefulSet;
    try {
      // Read afresh: the cache may lag behind what the last round wrote, and would make a second pod of it.
      set = await api.get(statefulSets, namespace, name);
    } catch (error) {
      if (error instanceof NotFoundError) return;
      throw error;
    }
    const [podList, claimList] = await Promise.all([
      api.list(pods, namespace),
      api.list(claims, namespace),
    ]);
    for (const action of planStatefulSet(set, podList.items, claimList.items)) {
      await perform(api, set, action);
      log(action, key);
    }
  }

  function log(action: StatefulSetAction, key: string): void {
    if (action.kind === "updateStatus") return;
    const object =
      action.kind === "createPod" || action.kind === "deletePod" ? action.pod : action.claim;
    logger.info("StatefulSet", { set: key, action: action.kind, name: object.metadata.name });
  }

  sets.onChange(({ object }) => {
    queue.add(keyOf(object));
  });
  podCache.onChange(({ object }) => {
    const owner = controllerOf(object);
    for (const set of sets.items().values()) {
      if (owner?.uid === set.metadata.uid) queue.add(keyOf(set));
    }
  });
  claimCache.onChange(({ object }) => {
    for (const set of sets.items().values()) {
      const { name } = object.metadata;
      if (
        set.metadata.namespace === object.metadata.namespace &&
        name.includes(`-${set.metadata.name}-`)
      ) {
        queue.add(keyOf(set));
      }
    }
  });
  for (const informer of [podCache, claimCache, sets]) informer.start();
  return {
    stop: () => {
      queue.stop();
      for (const informer of [sets, podCache, claimCache]) informer.stop();
    },
  };
}

/** Does one action; one that somebody else has done already is no failure. */
async function perform(api: KubeApi, set: StatefulSet, action: StatefulSetAction): Promise<void> {
  const namespace = set.metadata.namespace ?? "default";
  try {
    switch (action.kind) {
      case "createClaim":
        await api.create(claims, namespace, action.claim);
        return;
      case "deleteClaim":
        await api.delete(claims, namespace, action.claim.metadata.name, uidOf(action.claim));
        return;
      case "createPod":
        await api.create(pods, namespace, action.pod);
        return;
      case "deletePod":
        await api.delete(pods, namespace, action.pod.metadata.name, uidOf(action.pod));
        return;
      case "updateStatus":
        await api.replace(
          statefulSets,
          namespace,
          { ...set, status: action.status },
          { subresource: "status" },
        );
    }
  } catch (error) {
    // A change of the set since it was read is announced by the watch and brings the key back.
    const settled =
      error instanceof AlreadyExistsError ||
      error instanceof NotFoundError ||
      (error instanceof ConflictError && action.kind !== "createPod");
    if (!settled) throw error;
  }
}

function uidOf({ metadata }: { readonly metadata: { readonly uid?: string } }): {
  readonly uid?: string;
} {
  return metadata.uid === undefined ? {} : { uid: metadata.uid };
}

function keyOf({
  metadata,
}: {
  readonly metadata: { readonly namespace?: string; readonly name: string };
}): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

function split(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}
