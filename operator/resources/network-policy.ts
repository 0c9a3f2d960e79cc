import { childMeta, ports, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, networkPolicies, type Workload } from "./workloads.ts";

/** A namespace with this label may reach the HTTP port of brokers in other namespaces: that of a Prometheus, say. */
export const HTTP_ACCESS_LABEL = "forebay.dev/http-access";

/**
 * Clients may come from anywhere to the ports of listeners. The port between brokers, on which nobody is asked who they are, is
 * open to brokers of the same cluster alone. The HTTP port has metrics and administration: it is open to pods of the
 * same namespace, to namespaces named `monitoring`, and to those labelled `forebay.dev/http-access: "true"`. (Probes of
 * the node's kubelet are not subject to policies.)
 */
export function networkPolicy(context: ClusterContext): Child {
  const matchLabels = selectorLabels(context);
  const { plaintext, internal, http } = ports(context);
  const object: Workload = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: childMeta(context, context.cluster.metadata.name),
    spec: {
      podSelector: { matchLabels },
      policyTypes: ["Ingress"],
      ingress: [
        {
          ports: [plaintext, ...context.shape.outside.map(({ port }) => port)].map((port) => ({
            port,
            protocol: "TCP",
          })),
        },
        {
          from: [{ podSelector: { matchLabels } }],
          ports: [{ port: internal, protocol: "TCP" }],
        },
        {
          from: [
            { podSelector: {} },
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } },
            },
            { namespaceSelector: { matchLabels: { [HTTP_ACCESS_LABEL]: "true" } } },
          ],
          ports: [{ port: http, protocol: "TCP" }],
        },
      ],
    },
  };
  return { resource: networkPolicies, object };
}
