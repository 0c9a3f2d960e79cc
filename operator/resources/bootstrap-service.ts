import { bootstrapName, childMeta, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, services, type Workload } from "./workloads.ts";

/** Where clients connect first: any broker that is ready. */
export function bootstrapService(context: ClusterContext): Child {
  const object: Workload = {
    apiVersion: "v1",
    kind: "Service",
    metadata: childMeta(context, bootstrapName(context)),
    spec: {
      type: "ClusterIP",
      selector: selectorLabels(context),
      ports: [
        {
          name: "plaintext",
          port: context.shape.port,
          targetPort: "plaintext",
          protocol: "TCP",
        },
      ],
    },
  };
  return { resource: services, object };
}
