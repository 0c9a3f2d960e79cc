/** Kubernetes' kinds of addresses of a node. */
export const ADDRESS_TYPES = [
  "ExternalIP",
  "InternalIP",
  "ExternalDNS",
  "InternalDNS",
  "Hostname",
] as const;
export type AddressType = (typeof ADDRESS_TYPES)[number];

/** The listener that is always there, for clients within the Kubernetes cluster. */
export const INSIDE_LISTENER = "plaintext";
export const DEFAULT_PORT = 9092;
/** Ports of a broker that are not for clients. */
export const INTERNAL_PORT = 9093;
export const HTTP_PORT = 8080;
/** In hosts and annotations: the broker's id, or "bootstrap". */
export const ID = "{id}";
const FIRST_PORT = 1024;
const LAST_PORT = 65_535;
/** Names of a broker's ports that are not listeners of clients. */
const RESERVED = ["internal", "http"];
const MAX_SERVICE_NAME = 63;

/** A listener of `spec.listeners`, as the user writes it. */
export interface ListenerSpec {
  readonly name: string;
  readonly port: number;
  readonly type?: "internal" | "nodeport" | "loadbalancer";
  /** Of each of its Services; `{id}` in a value is the broker's id, or "bootstrap". */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly loadBalancerClass?: string;
  /** CIDRs that may come in through the load balancers. */
  readonly loadBalancerSourceRanges?: readonly string[];
  /** Of the brokers' Services: `Local` keeps the clients' addresses. */
  readonly externalTrafficPolicy?: "Cluster" | "Local";
  /** Node port of the bootstrap Service; broker n has the (n + 1)th after it. */
  readonly firstNodePort?: number;
  /** Which of a node's addresses is told, the first that it has; InternalIP unless set. */
  readonly addressTypes?: readonly AddressType[];
  /** What clients are told instead of what Kubernetes knows; `{id}` is the broker's id. */
  readonly advertisedHost?: string;
  /** The port of all brokers' `advertisedHost`. */
  readonly advertisedPort?: number;
  /** The port that is told for broker 0; broker n has the nth after it. */
  readonly advertisedFirstPort?: number;
  /** Where the bootstrap Service is reached, for the status. */
  readonly bootstrapHost?: string;
}

/** Where a listener is reached from outside, as the operator found it. */
export interface ListenerStatus {
  readonly name: string;
  /** `host:port` of some brokers or of the bootstrap Service, with commas between. */
  readonly bootstrap?: string;
  readonly brokers: readonly {
    readonly id: number;
    readonly host: string;
    readonly port: number;
  }[];
}

/** A listener that is reached from outside of the Kubernetes cluster. */
export interface OutsideListener extends Omit<ListenerSpec, "type" | "addressTypes"> {
  readonly type: "nodeport" | "loadbalancer";
  readonly addressTypes: readonly AddressType[];
}

/** Port of the listener for clients within the Kubernetes cluster. */
export function insidePort(listeners: readonly ListenerSpec[] = []): number {
  return listeners.find(({ name }) => name === INSIDE_LISTENER)?.port ?? DEFAULT_PORT;
}

/** The listeners that are reached from outside (pure); those that no broker could open are left out. */
export function outsideListeners(listeners: readonly ListenerSpec[] = []): OutsideListener[] {
  return listeners.flatMap((listener) => {
    const { type, name, port, addressTypes = ["InternalIP"] } = listener;
    if (type !== "nodeport" && type !== "loadbalancer") return [];
    if (name === INSIDE_LISTENER || RESERVED.includes(name) || !isPort(port)) return [];
    return [{ ...listener, type, addressTypes }];
  });
}

/**
 * Why listeners cannot be as they are wished, in a sentence that tells what to do (pure). The resource definition says
 * the same of a new object.
 */
export function listenerProblem(
  cluster: string,
  listeners: readonly ListenerSpec[],
  brokers: number,
): string | undefined {
  const ports = new Map<number, string>();
  if (!listeners.some(({ name }) => name === INSIDE_LISTENER)) {
    ports.set(DEFAULT_PORT, INSIDE_LISTENER);
  }
  const nodePorts: { readonly name: string; readonly first: number }[] = [];
  for (const listener of listeners) {
    const { name, port, firstNodePort: first } = listener;
    const problem = nameProblem(cluster, listener) ?? fieldProblem(listener, brokers);
    if (problem !== undefined) return `listener ${name}: ${problem}`;
    const other = ports.get(port);
    if (other !== undefined) {
      return `listeners ${other} and ${name} have the same port ${String(port)}; give each a port of its own`;
    }
    ports.set(port, name);
    if (first === undefined) continue;
    const near = nodePorts.find((one) => Math.abs(one.first - first) <= brokers);
    if (near !== undefined) {
      return `listeners ${near.name} and ${name} would have the same node ports; each takes spec.brokers + 1 of them from its firstNodePort on`;
    }
    nodePorts.push({ name, first });
  }
  return undefined;
}

function nameProblem(cluster: string, { name, type }: ListenerSpec): string | undefined {
  if (RESERVED.includes(name)) return "brokers have a port of this name; choose another name";
  if ((name === INSIDE_LISTENER) !== ((type ?? "internal") === "internal")) {
    return `the listener ${INSIDE_LISTENER} is of type internal and every other of type nodeport or loadbalancer; change its type or its name`;
  }
  if (`${cluster}-${name}-bootstrap`.length > MAX_SERVICE_NAME) {
    return `"${cluster}-${name}-bootstrap" is too long to name a Service; give the listener a shorter name`;
  }
  return undefined;
}

function fieldProblem(listener: ListenerSpec, brokers: number): string | undefined {
  const { port, type = "internal", advertisedHost, advertisedPort, firstNodePort } = listener;
  if (!isPort(port)) {
    return `it cannot have port ${String(port)}; choose one of ${FIRST_PORT} to ${LAST_PORT} but ${INTERNAL_PORT} and ${HTTP_PORT}`;
  }
  const foreign = Object.keys(listener).find((field) => !isFieldOf(type, field));
  if (foreign !== undefined) {
    return `${foreign} means nothing for a listener of type ${type}; take it out`;
  }
  const each = advertisedHost?.includes(ID) === true;
  if (advertisedPort !== undefined && !each) {
    return `advertisedPort is the same for all brokers, so they need hosts of their own; set advertisedHost with ${ID} in it, or advertisedFirstPort in place of advertisedPort`;
  }
  if (advertisedPort !== undefined && listener.advertisedFirstPort !== undefined) {
    return "advertisedPort and advertisedFirstPort exclude each other; take one out";
  }
  const samePort = type === "loadbalancer" && listener.advertisedFirstPort === undefined;
  if (advertisedHost !== undefined && samePort && !each) {
    return `advertisedHost is the same for all brokers and so is their port; put ${ID} into advertisedHost, or set advertisedFirstPort`;
  }
  const lasts = [
    ["firstNodePort", firstNodePort === undefined ? 0 : firstNodePort + brokers],
    ["advertisedFirstPort", (listener.advertisedFirstPort ?? 1) + brokers - 1],
  ] as const;
  const over = lasts.find(([, last]) => last > LAST_PORT);
  return over && `${over[0]} leaves no port for the last broker; lower it`;
}

function isPort(port: number): boolean {
  if (port === INTERNAL_PORT || port === HTTP_PORT) return false;
  return Number.isInteger(port) && port >= FIRST_PORT && port <= LAST_PORT;
}

/** Fields by the only type for which they mean something; others mean something for both types from outside. */
const ONLY: Readonly<Record<string, string>> = {
  loadBalancerClass: "loadbalancer",
  loadBalancerSourceRanges: "loadbalancer",
  addressTypes: "nodeport",
};

function isFieldOf(type: NonNullable<ListenerSpec["type"]>, field: string): boolean {
  if (type === "internal") return ["name", "port", "type"].includes(field);
  return (ONLY[field] ?? type) === type;
}
