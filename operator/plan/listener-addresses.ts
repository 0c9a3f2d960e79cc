import type { BrokerId } from "../../cluster/broker.ts";
import { ID, type ListenerStatus, type OutsideListener } from "../../cluster/listeners.ts";
import { listenerServiceName } from "../resources/listener-services.ts";
import type { NodeAddress, ServiceObject } from "../resources/workloads.ts";

/** How many brokers the bootstrap address names when there is none for all of them. */
const MAX_BOOTSTRAP = 3;

/** The node of a broker's pod: its addresses, or why they are not known. */
export type NodeFacts =
  | { readonly name: string; readonly addresses: readonly NodeAddress[] }
  | { readonly name: string; readonly problem: string };

/** What is looked at to tell where a listener is reached. */
export interface ListenerFacts {
  readonly cluster: string;
  readonly replicas: number;
  /** Services as they are, by name. */
  readonly services: ReadonlyMap<string, ServiceObject>;
  /** Node of each broker whose pod has one. */
  readonly nodes: ReadonlyMap<BrokerId, NodeFacts>;
  /** What was found before. */
  readonly before: ListenerStatus | undefined;
}

export interface ListenerAddresses {
  readonly status: ListenerStatus;
  /** What is not there yet, in sentences for people. */
  readonly missing: readonly string[];
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address, or what is missing for one. */
type Found = Address | { readonly missing: string };

/**
 * Where clients from outside reach each broker by a listener, and where they begin (pure). A broker whose pod is on no
 * node just now keeps the address that it had: it is about to come back.
 */
export function planListenerAddresses(
  listener: OutsideListener,
  facts: ListenerFacts,
): ListenerAddresses {
  const missing: string[] = [];
  const brokers = Array.from({ length: facts.replicas }, (_, id) => ({
    id,
    found: brokerAddress(listener, facts, id),
  })).flatMap(({ id, found }) => {
    if ("host" in found) return [{ id, ...found }];
    missing.push(found.missing);
    return [];
  });
  const begin = bootstrap(listener, facts, brokers);
  if (Array.isArray(begin)) {
    const status = { name: listener.name, brokers };
    const first = begin.slice(0, MAX_BOOTSTRAP).map(shown).join(",");
    return { status: first === "" ? status : { ...status, bootstrap: first }, missing };
  }
  return {
    status: { name: listener.name, brokers },
    missing: [...missing, begin.missing],
  };
}

function brokerAddress(listener: OutsideListener, facts: ListenerFacts, id: BrokerId): Found {
  const { advertisedHost, advertisedPort, advertisedFirstPort } = listener;
  const told = advertisedPort ?? (advertisedFirstPort && advertisedFirstPort + id);
  const name = listenerServiceName(facts.cluster, listener.name, id);
  const port = told === undefined ? portOf(listener, facts, name) : { port: told };
  if ("missing" in port) return port;
  const host =
    advertisedHost === undefined
      ? hostOf(listener, facts, id, name)
      : { host: advertisedHost.replaceAll(ID, String(id)) };
  return "missing" in host ? host : { ...host, ...port };
}

function hostOf(
  listener: OutsideListener,
  facts: ListenerFacts,
  id: BrokerId,
  service: string,
): { readonly host: string } | { readonly missing: string } {
  if (listener.type === "loadbalancer") return ingressOf(facts, service);
  const node = facts.nodes.get(id);
  if (node === undefined) {
    const before = facts.before?.brokers.find((one) => one.id === id);
    if (before !== undefined) return { host: before.host };
    return { missing: `broker ${id} is not on a node yet` };
  }
  if ("problem" in node) return { missing: `broker ${id}: ${node.problem}` };
  for (const type of listener.addressTypes) {
    const found = node.addresses.find((one) => one.type === type);
    if (found !== undefined) return { host: found.address };
  }
  const types = listener.addressTypes.join(" or ");
  return {
    missing: `node ${node.name} of broker ${id} has no ${types}; name another type in addressTypes, or set advertisedHost`,
  };
}

function ingressOf(
  { services }: ListenerFacts,
  name: string,
): { readonly host: string } | { readonly missing: string } {
  // An empty one is as good as none.
  const [ingress] = services.get(name)?.status?.loadBalancer?.ingress ?? [];
  const host = ingress?.hostname || ingress?.ip;
  if (host !== undefined && host !== "") return { host };
  return {
    missing: `Service ${name} has not been given an address by a load balancer; see its events, and set loadBalancerClass if the Kubernetes cluster has none by default`,
  };
}

/** The port by which a Service is reached from outside. */
function portOf(
  { type, port }: OutsideListener,
  { services }: ListenerFacts,
  name: string,
): { readonly port: number } | { readonly missing: string } {
  if (type === "loadbalancer") return { port };
  const nodePort = services.get(name)?.spec?.ports?.[0]?.nodePort;
  if (nodePort !== undefined && nodePort !== 0) return { port: nodePort };
  return { missing: `Service ${name} has not been given a node port` };
}

/** The bootstrap Service where it is reached; the brokers themselves where nobody says how. */
function bootstrap(
  listener: OutsideListener,
  facts: ListenerFacts,
  brokers: readonly Address[],
): Address[] | { readonly missing: string } {
  const { type, bootstrapHost, advertisedHost } = listener;
  if (bootstrapHost === undefined && advertisedHost !== undefined) return [...brokers];
  const name = listenerServiceName(facts.cluster, listener.name, "bootstrap");
  const port = portOf(listener, facts, name);
  if ("missing" in port) return port;
  if (bootstrapHost !== undefined) return [{ host: bootstrapHost, ...port }];
  if (type === "loadbalancer") {
    const found = ingressOf(facts, name);
    return "missing" in found ? found : [{ ...found, ...port }];
  }
  return [...new Set(brokers.map(({ host }) => host))].map((host) => ({ host, ...port }));
}

function shown({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
