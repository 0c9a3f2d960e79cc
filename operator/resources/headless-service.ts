import { childMeta, headlessName, ports, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, services, type Workload } from "./workloads.ts";

/** Gives each broker pod a name of its own; also before it is ready, since brokers need each other to become so. */
export function headlessService(context: ClusterContext): Child {
  const object: Workload = {
    apiVersion: "v1",
    kind: "Service",
    metadata: childMeta(context, headlessName(context)),
    spec: {
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: selectorLabels(context),
      ports: Object.entries(ports(context)).map(([name, port]) => ({
        name,
        port,
        targetPort: name,
        protocol: "TCP",
      })),
    },
  };
  return { resource: services, object };
}
