import { createHash } from "node:crypto";
import { ID, type OutsideListener } from "../../cluster/listeners.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import { childMeta, selectorLabels, type ClusterContext } from "./context.ts";
import { type Child, services, type Workload } from "./workloads.ts";

/** On the Services of a listener for clients from outside: the listener's name. */
export const LISTENER_LABEL = "forebay.dev/listener";
/** What was wished of such a Service: what is wished no more is taken away when it changes. */
const WISH = "forebay.dev/wish";
const POD_NAME = "statefulset.kubernetes.io/pod-name";
const SERVICE_TYPES = { nodeport: "NodePort", loadbalancer: "LoadBalancer" } as const;

/** Names the Service by which a listener leads to one broker, or to any that is ready. */
export function listenerServiceName(
  cluster: string,
  listener: string,
  to: BrokerId | "bootstrap",
): string {
  return `${cluster}-${listener}-${to}`;
}

/**
 * Services of the listeners for clients from outside, for each a bootstrap Service and one for each broker. They lead to
 * a port that running brokers open by themselves, so that no pod is made anew for them.
 */
export function listenerServices(context: ClusterContext): readonly Child[] {
  return context.shape.outside.flatMap((listener) => [
    service(context, listener, "bootstrap"),
    ...Array.from({ length: context.replicas }, (_, id) => service(context, listener, id)),
  ]);
}

function service(
  context: ClusterContext,
  listener: OutsideListener,
  to: BrokerId | "bootstrap",
): Child {
  const cluster = context.cluster.metadata.name;
  const { name, port, firstNodePort, loadBalancerClass, loadBalancerSourceRanges } = listener;
  const ofBroker = to !== "bootstrap";
  const nodePort =
    firstNodePort === undefined ? undefined : firstNodePort + (ofBroker ? to + 1 : 0);
  const spec = {
    type: SERVICE_TYPES[listener.type],
    selector: {
      ...selectorLabels(context),
      ...(ofBroker ? { [POD_NAME]: `${cluster}-${to}` } : {}),
    },
    ports: [
      {
        name,
        port,
        targetPort: port,
        protocol: "TCP",
        ...(nodePort === undefined ? {} : { nodePort }),
      },
    ],
    // A broker is asked by its clients alone whether it serves; any node leads to one that is ready.
    ...(ofBroker
      ? {
          publishNotReadyAddresses: true,
          externalTrafficPolicy: listener.externalTrafficPolicy ?? "Cluster",
        }
      : {}),
    ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
    ...(loadBalancerSourceRanges === undefined ? {} : { loadBalancerSourceRanges }),
  };
  const annotations = Object.fromEntries(
    Object.entries(listener.annotations ?? {}).map(([key, value]) => [
      key,
      value.replaceAll(ID, String(to)),
    ]),
  );
  const metadata = childMeta(context, listenerServiceName(cluster, name, to));
  const object: Workload = {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [LISTENER_LABEL]: name },
      annotations: { ...annotations, [WISH]: hash([spec, annotations]) },
    },
    spec,
  };
  return { resource: services, object };
}

function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
