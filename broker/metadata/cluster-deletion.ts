import { brokerClusters } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { ForbiddenError, NotFoundError } from "../../kube/errors.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";

const LOOK_EVERY: Millis = 1000;

export interface ClusterDeletionOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly scheduler: Scheduler;
  /** The cluster is being deleted. Called once. */
  readonly onDeleted: () => void;
  /** This broker has no rights any more. Called once. */
  readonly onRefused: () => void;
}

/**
 * Looks whether the whole cluster is being deleted, until it is stopped. To be refused may mean the same: the garbage
 * collector takes the brokers' rights together with their pods. Or it is this pod alone, whose token ended when its
 * object was deleted by force; others then go on.
 */
export function watchClusterDeletion(options: ClusterDeletionOptions): { stop(): void } {
  const { kube, namespace, clusterName, scheduler, onDeleted, onRefused } = options;
  let stopped = false;
  const look = (): void => {
    if (stopped) return;
    kube
      .get(brokerClusters, namespace, clusterName)
      .then(
        ({ metadata }) => (metadata.deletionTimestamp === undefined ? "there" : "deleted"),
        (error: unknown) => {
          if (error instanceof NotFoundError) return "deleted";
          return error instanceof ForbiddenError ? "refused" : "there";
        },
      )
      .then((found) => {
        if (stopped) return;
        if (found === "deleted") onDeleted();
        else if (found === "refused") onRefused();
        else scheduler.after(LOOK_EVERY, look);
      })
      .catch(() => undefined);
  };
  look();
  return {
    stop: () => {
      stopped = true;
    },
  };
}
