import { childMeta, PORTS, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, networkPolicies, type Workload } from "./workloads.ts";

/**
 * Clients may come from anywhere to the client port, and whoever scrapes metrics or probes to the HTTP port; the port
 * between brokers is open to brokers of the same cluster alone.
 */
export function networkPolicy(context: ClusterContext): Child {
  const matchLabels = selectorLabels(context);
  const object: Workload = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: childMeta(context, context.cluster.metadata.name),
    spec: {
      podSelector: { matchLabels },
      policyTypes: ["Ingress"],
      ingress: [
        {
          ports: [
            { port: PORTS.plaintext, protocol: "TCP" },
            { port: PORTS.http, protocol: "TCP" },
          ],
        },
        {
          from: [{ podSelector: { matchLabels } }],
          ports: [{ port: PORTS.internal, protocol: "TCP" }],
        },
      ],
    },
  };
  return { resource: networkPolicies, object };
}
