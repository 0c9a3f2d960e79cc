import { childMeta, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, podDisruptionBudgets, type Workload } from "./workloads.ts";

/** Drains of nodes take one broker at a time. */
export function podDisruptionBudget(context: ClusterContext): Child {
  const object: Workload = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: childMeta(context, context.cluster.metadata.name),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorLabels(context) } },
  };
  return { resource: podDisruptionBudgets, object };
}
