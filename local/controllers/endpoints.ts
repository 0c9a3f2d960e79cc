import { isReady, PORTS_ANNOTATION } from "../workloads.ts";
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSlice,
  Endpoints,
  Pod,
  Service,
  ServicePort,
} from "../workloads.ts";

/** The Endpoints and EndpointSlices a Service should have. */
export interface EndpointsPlan {
  readonly endpoints: Endpoints;
  readonly slices: readonly EndpointSlice[];
}

interface Backend {
  readonly pod: Pod;
  readonly address: EndpointAddress;
  readonly ready: boolean;
}

/**
 * Which pods a Service leads to (pure; Kubernetes concepts Endpoints and EndpointSlice). All pods of this machine share
 * one address, so the ports differ from pod to pod: each set of ports is a subset and a slice of its own, with the real
 * ports. A Service without a selector has its endpoints from elsewhere: undefined.
 * @param pods those of the Service's namespace
 */
export function planEndpoints(service: Service, pods: readonly Pod[]): EndpointsPlan | undefined {
  const selector = Object.entries(service.spec.selector ?? {});
  if (selector.length === 0) return undefined;
  const always = service.spec.publishNotReadyAddresses === true;
  const groups = new Map<string, { ports: readonly EndpointPort[]; backends: Backend[] }>();
  const selected = pods
    .filter(({ metadata }) => selector.every(([key, value]) => metadata.labels?.[key] === value))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const pod of selected) {
    const address = addressOf(service, pod);
    if (address === undefined) continue;
    const ports = (service.spec.ports ?? []).flatMap((port) => portOf(port, pod));
    const key = JSON.stringify(ports);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { ports, backends: [] }));
    group.backends.push({ pod, address, ready: always || isReady(pod) });
  }
  const sorted = [...groups.values()];
  return {
    endpoints: {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: metadataOf(service, service.metadata.name, {}),
      subsets: sorted.map(({ ports, backends }) => {
        const ready = backends.filter((each) => each.ready).map(({ address }) => address);
        const notReady = backends.filter((each) => !each.ready).map(({ address }) => address);
        return {
          ...(ready.length === 0 ? {} : { addresses: ready }),
          ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
          ...(ports.length === 0 ? {} : { ports }),
        };
      }),
    },
    slices: sorted.map(({ ports, backends }, index) => sliceOf(service, index, ports, backends)),
  };
}

function sliceOf(
  service: Service,
  index: number,
  ports: readonly EndpointPort[],
  backends: readonly Backend[],
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: metadataOf(service, `${service.metadata.name}-${String(index)}`, {
      "kubernetes.io/service-name": service.metadata.name,
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }),
    addressType: "IPv4",
    endpoints: backends.map(({ pod, address, ready }) => {
      const { ip, targetRef, hostname, nodeName } = address;
      const terminating = pod.metadata.deletionTimestamp !== undefined;
      return {
        addresses: [ip],
        conditions: { ready: ready && !terminating, serving: ready, terminating },
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(targetRef === undefined ? {} : { targetRef }),
      };
    }),
    ports,
  };
}

function metadataOf(
  service: Service,
  name: string,
  labels: Readonly<Record<string, string>>,
): Endpoints["metadata"] {
  const { namespace, uid = "" } = service.metadata;
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { ...service.metadata.labels, ...labels },
    ownerReferences: [
      { apiVersion: "v1", kind: "Service", name: service.metadata.name, uid, controller: true },
    ],
  };
}

function addressOf(service: Service, pod: Pod): EndpointAddress | undefined {
  const ip = pod.status?.podIP;
  if (ip === undefined || pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") {
    return undefined;
  }
  const { name, namespace, uid } = pod.metadata;
  const { hostname, subdomain, nodeName } = pod.spec;
  return {
    ip,
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: {
      kind: "Pod",
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
  };
}

/** The port of this pod's process that a Service port leads to; none when the pod has no port of that name. */
function portOf(port: ServicePort, pod: Pod): EndpointPort[] {
  const target = port.targetPort ?? port.port;
  const declared = pod.spec.containers
    .flatMap(({ ports }) => ports ?? [])
    .find(({ name, containerPort }) =>
      typeof target === "string" ? name === target : containerPort === target,
    );
  const real = declared?.name === undefined ? undefined : realPorts(pod)[declared.name];
  const number = real ?? declared?.containerPort ?? (typeof target === "number" ? target : null);
  if (number === null) return [];
  return [
    {
      ...(port.name === undefined ? {} : { name: port.name }),
      port: number,
      protocol: port.protocol ?? "TCP",
    },
  ];
}

/** The ports that the kubelet gave the pod's process, by container port name. */
export function realPorts(object: {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
}): Readonly<Record<string, number>> {
  const text = object.metadata.annotations?.[PORTS_ANNOTATION];
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return {};
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, number] =>
        Number.isInteger(entry[1]),
      ),
    );
  } catch {
    // Somebody else's annotation of that name is as good as none.
    return {};
  }
}
