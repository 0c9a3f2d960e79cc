import assert from "node:assert/strict";
import type { ListenerStatus, OutsideListener } from "../../../../cluster/listeners.ts";
import {
  planListenerAddresses,
  type ListenerFacts,
  type NodeFacts,
} from "../../../../operator/plan/listener-addresses.ts";
import type { ServiceObject } from "../../../../operator/resources/workloads.ts";

const NODE_PORT: OutsideListener = {
  name: "out",
  port: 9094,
  type: "nodeport",
  addressTypes: ["InternalIP"],
};
const BALANCED: OutsideListener = { ...NODE_PORT, type: "loadbalancer" };

/** A Service `c-out-<to>` as it is. */
function service(
  to: string,
  nodePort?: number,
  ...ingress: readonly { readonly ip?: string; readonly hostname?: string }[]
): readonly [string, ServiceObject] {
  const name = `c-out-${to}`;
  return [
    name,
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { ports: [{ port: 9094, ...(nodePort === undefined ? {} : { nodePort }) }] },
      status: { loadBalancer: { ingress } },
    },
  ];
}
const NODE_PORTS = [service("bootstrap", 30_000), service("0", 30_001), service("1", 30_002)];
const INGRESSES = [
  service("bootstrap", 30_000, { ip: "203.0.113.9" }),
  service("0", 30_001, { ip: "203.0.113.10" }),
  service("1", 30_002, { hostname: "one.lb.example", ip: "203.0.113.11" }),
];

function node(name: string, ...addresses: readonly (readonly [string, string])[]): NodeFacts {
  return { name, addresses: addresses.map(([type, address]) => ({ type, address })) };
}
const NODES: ListenerFacts["nodes"] = new Map([
  [0, node("n0", ["InternalIP", "10.0.0.10"], ["ExternalIP", "198.51.100.10"])],
  [1, node("n1", ["InternalIP", "10.0.0.11"], ["Hostname", "n1.example"])],
]);
const BEFORE: ListenerStatus = {
  name: "out",
  brokers: [
    { id: 0, host: "10.0.0.98", port: 30_091 },
    { id: 1, host: "10.0.0.99", port: 30_092 },
  ],
};

interface Case {
  readonly what: string;
  readonly listener?: Partial<OutsideListener>;
  readonly services?: readonly (readonly [string, ServiceObject])[];
  readonly nodes?: ListenerFacts["nodes"];
  readonly before?: ListenerStatus;
  /** `id=host:port`. */
  readonly brokers: readonly string[];
  readonly bootstrap?: string;
  readonly missing?: readonly RegExp[];
}

function check(
  listener: OutsideListener,
  services: Case["services"],
  cases: readonly Case[],
): void {
  for (const one of cases) {
    it(one.what, () => {
      const { status, missing } = planListenerAddresses(
        { ...listener, ...one.listener },
        {
          cluster: "c",
          replicas: 2,
          services: new Map(one.services ?? services),
          nodes: one.nodes ?? NODES,
          before: one.before,
        },
      );
      assert.deepEqual(
        status.brokers.map(({ id, host, port }) => `${id}=${host}:${port}`),
        one.brokers,
      );
      assert.equal(status.bootstrap, one.bootstrap);
      const expected = one.missing ?? [];
      assert.equal(missing.length, expected.length, missing.join("\n"));
      for (const [at, pattern] of expected.entries()) assert.match(missing[at] ?? "", pattern);
    });
  }
}

describe("addresses of a listener of type nodeport", () => {
  check(NODE_PORT, NODE_PORTS, [
    {
      what: "are those of the brokers' nodes with the ports of their Services",
      brokers: ["0=10.0.0.10:30001", "1=10.0.0.11:30002"],
      bootstrap: "10.0.0.10:30000,10.0.0.11:30000",
    },
    {
      what: "are of the first type that a node has",
      listener: { addressTypes: ["ExternalIP", "Hostname"] },
      brokers: ["0=198.51.100.10:30001", "1=n1.example:30002"],
      bootstrap: "198.51.100.10:30000,n1.example:30000",
    },
    {
      what: "are missing of a node that has none of the types",
      listener: { addressTypes: ["ExternalIP", "ExternalDNS"] },
      brokers: ["0=198.51.100.10:30001"],
      bootstrap: "198.51.100.10:30000",
      missing: [/node n1 of broker 1 has no ExternalIP or ExternalDNS; name another type/],
    },
    {
      what: "two brokers on one node are one place to begin at",
      nodes: new Map([0, 1].map((id) => [id, node("n", ["InternalIP", "10.0.0.1"])])),
      brokers: ["0=10.0.0.1:30001", "1=10.0.0.1:30002"],
      bootstrap: "10.0.0.1:30000",
    },
    {
      what: "IPv6 has brackets where a port follows in one word",
      nodes: new Map([0, 1].map((id) => [id, node("n", ["InternalIP", "fd00::1"])])),
      brokers: ["0=fd00::1:30001", "1=fd00::1:30002"],
      bootstrap: "[fd00::1]:30000",
    },
    {
      what: "stay what they were while a broker is on no node, with the port of now",
      nodes: new Map(),
      before: BEFORE,
      brokers: ["0=10.0.0.98:30001", "1=10.0.0.99:30002"],
      bootstrap: "10.0.0.98:30000,10.0.0.99:30000",
    },
    {
      what: "are missing of a broker that was never on a node",
      nodes: new Map([...NODES].slice(0, 1)),
      brokers: ["0=10.0.0.10:30001"],
      bootstrap: "10.0.0.10:30000",
      missing: [/broker 1 is not on a node yet/],
    },
    {
      what: "are missing of a node that may not be read, also when it was known",
      listener: { addressTypes: ["ExternalIP"] },
      nodes: new Map([...NODES, [1, { name: "n1", problem: "it may not be read" }]]),
      before: BEFORE,
      brokers: ["0=198.51.100.10:30001"],
      bootstrap: "198.51.100.10:30000",
      missing: [/broker 1: it may not be read/],
    },
    {
      what: "are missing while Services have no ports",
      services: [service("bootstrap"), service("0"), service("1", 30_002)],
      brokers: ["1=10.0.0.11:30002"],
      missing: [/Service c-out-0 has not been given a node port/, /c-out-bootstrap/],
    },
    {
      what: "can be of one host, which passes node ports on",
      listener: { advertisedHost: "kafka.example" },
      nodes: new Map(),
      brokers: ["0=kafka.example:30001", "1=kafka.example:30002"],
      bootstrap: "kafka.example:30001,kafka.example:30002",
    },
    {
      what: "can be wholly given",
      listener: {
        advertisedHost: "kafka.example",
        advertisedFirstPort: 9100,
        bootstrapHost: "kafka.example",
      },
      nodes: new Map(),
      brokers: ["0=kafka.example:9100", "1=kafka.example:9101"],
      bootstrap: "kafka.example:30000",
    },
  ]);
});

describe("addresses of a listener of type loadbalancer", () => {
  check(BALANCED, INGRESSES, [
    {
      what: "are names, or else addresses, that the Services were given",
      brokers: ["0=203.0.113.10:9094", "1=one.lb.example:9094"],
      bootstrap: "203.0.113.9:9094",
    },
    {
      what: "are missing of Services that were given none, whatever was before",
      services: [
        service("bootstrap"),
        INGRESSES[1] ?? service("0"),
        service("1", 30_002, { ip: "" }),
      ],
      before: BEFORE,
      brokers: ["0=203.0.113.10:9094"],
      missing: [
        /Service c-out-1 has not been given an address by a load balancer/,
        /Service c-out-bootstrap has not/,
      ],
    },
    {
      what: "can be names that somebody else points there, before there is anything",
      services: [],
      listener: { advertisedHost: "kafka-{id}.example", advertisedPort: 443 },
      brokers: ["0=kafka-0.example:443", "1=kafka-1.example:443"],
      bootstrap: "kafka-0.example:443,kafka-1.example:443",
    },
    {
      what: "can be names with the listener's port, and one to begin at",
      listener: { advertisedHost: "kafka-{id}.example", bootstrapHost: "kafka.example" },
      brokers: ["0=kafka-0.example:9094", "1=kafka-1.example:9094"],
      bootstrap: "kafka.example:9094",
    },
    {
      what: "can have other ports than the load balancers know",
      listener: { advertisedFirstPort: 9100 },
      brokers: ["0=203.0.113.10:9100", "1=one.lb.example:9101"],
      bootstrap: "203.0.113.9:9094",
    },
  ]);
});
