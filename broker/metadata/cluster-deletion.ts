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
}

/**
 * Looks whether the whole cluster is being deleted, until it is stopped. The garbage collector takes the brokers' rights
 * together with their pods, so that to be refused means the same: no leadership can be recorded any more.
 */
export function watchClusterDeletion(options: ClusterDeletionOptions): { stop(): void } {
  const { kube, namespace, clusterName, scheduler, onDeleted } = options;
  let stopped = false;
  const look = (): void => {
    if (stopped) return;
    kube
      .get(brokerClusters, namespace, clusterName)
      .then(
        ({ metadata }) => metadata.deletionTimestamp !== undefined,
        (error: unknown) => error instanceof NotFoundError || error instanceof ForbiddenError,
      )
      .then((deleted) => {
        if (stopped) return;
        if (deleted) onDeleted();
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
