import { bootstrapService } from "./bootstrap-service.ts";
import { configMap } from "./config-map.ts";
import type { ClusterContext } from "./context.ts";
import { headlessService } from "./headless-service.ts";
import { listenerServices } from "./listener-services.ts";
import { networkPolicy } from "./network-policy.ts";
import { podDisruptionBudget } from "./pod-disruption-budget.ts";
import { rbac } from "./rbac.ts";
import { statefulSet } from "./stateful-set.ts";
import type { Child, StatefulSet } from "./workloads.ts";

/**
 * All children of a BrokerCluster in the order in which they are made (pure): what pods need to start comes before
 * the StatefulSet, so that none is started for nothing.
 * @param live the StatefulSet as it is now, if it is
 */
export function children(context: ClusterContext, live?: StatefulSet): readonly Child[] {
  return [
    ...rbac(context),
    configMap(context),
    headlessService(context),
    bootstrapService(context),
    ...listenerServices(context),
    podDisruptionBudget(context),
    networkPolicy(context),
    statefulSet(context, live),
  ];
}
