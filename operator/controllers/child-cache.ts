import { CLUSTER_LABEL } from "../../cluster/resources.ts";
import type { Resource } from "../../kube/api.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { find } from "../caches.ts";
import type { OperatorOptions } from "../operator.ts";

/** What others make for a cluster, as its StatefulSet makes pods and claims: those objects of a kind that have its label. */
export class ChildCache<T extends KubeObject> {
  readonly #informer: Informer<T>;

  constructor(options: OperatorOptions, resource: Resource<T>) {
    const { kube, namespace, scheduler, random, logger } = options;
    this.#informer = createInformer({
      api: kube,
      resource,
      namespace,
      labelSelector: CLUSTER_LABEL,
      scheduler,
      random,
      logger,
    });
  }

  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  /** @param onChange called with the key of the cluster one of whose objects has changed */
  start(onChange: (key: string) => void): void {
    this.#informer.onChange(({ object }) => {
      const cluster = object.metadata.labels?.[CLUSTER_LABEL];
      if (cluster !== undefined) onChange(`${object.metadata.namespace ?? "default"}/${cluster}`);
    });
    this.#informer.start();
  }

  stop(): void {
    this.#informer.stop();
  }

  find(namespace: string, name: string): T | undefined {
    return find(this.#informer, namespace, name);
  }
}
