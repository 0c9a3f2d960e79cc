import { NotFoundError } from "../../kube/errors.ts";
import { createInformer } from "../../kube/informer.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import { endpointSlices, endpoints, pods, services } from "../workloads.ts";
import type { Service } from "../workloads.ts";
import { planEndpoints } from "./endpoints.ts";
import type { Controller, ControllerOptions } from "./stateful-set-controller.ts";

const FIELD_MANAGER = "endpoints-controller";

/** Keeps the Endpoints and EndpointSlices of all Services that have a selector. */
export function startEndpointsController(options: ControllerOptions): Controller {
  const { api, scheduler, random, logger } = options;
  const cache = createInformer({ ...options, resource: services, namespace: "" });
  const podCache = createInformer({ ...options, resource: pods, namespace: "" });
  const written = new Map<string, string>();
  const queue = new WorkQueue({
    scheduler,
    random,
    handler: reconcile,
    onError: (key, error, failures) => {
      logger.warn("endpoints could not be written", {
        key,
        failures,
        error: error instanceof Error ? error.message : String(error),
      });
    },
  });

  async function reconcile(key: string): Promise<void> {
    await Promise.all([cache.synced, podCache.synced]);
    const service = cache.get(key);
    if (service === undefined) {
      // The garbage collector takes what the Service owned.
      written.delete(key);
      return;
    }
    const namespace = service.metadata.namespace ?? "default";
    const local = [...podCache.items().values()].filter(
      ({ metadata }) => (metadata.namespace ?? "default") === namespace,
    );
    const plan = planEndpoints(service, local);
    if (plan === undefined) return;
    const text = JSON.stringify(plan);
    if (written.get(key) === text) return;
    await api.apply(endpoints, namespace, plan.endpoints, FIELD_MANAGER);
    for (const slice of plan.slices) {
      await api.apply(endpointSlices, namespace, slice, FIELD_MANAGER);
    }
    const kept = new Set(plan.slices.map(({ metadata }) => metadata.name));
    const all = await api.list(endpointSlices, namespace, {
      labelSelector: `kubernetes.io/service-name=${service.metadata.name}`,
    });
    for (const { metadata } of all.items) {
      const own = metadata.labels?.["endpointslice.kubernetes.io/managed-by"] ?? "";
      if (kept.has(metadata.name) || own !== "endpointslice-controller.k8s.io") continue;
      try {
        await api.delete(endpointSlices, namespace, metadata.name);
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
      }
    }
    written.set(key, text);
  }

  const keyOf = ({ metadata }: Service): string =>
    `${metadata.namespace ?? "default"}/${metadata.name}`;
  cache.onChange(({ object }) => {
    queue.add(keyOf(object));
  });
  podCache.onChange(({ object }) => {
    for (const service of cache.items().values()) {
      if (service.metadata.namespace === object.metadata.namespace) queue.add(keyOf(service));
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
