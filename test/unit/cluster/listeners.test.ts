import assert from "node:assert/strict";
import type { BrokerCluster } from "../../../cluster/broker-cluster.ts";
import { brokerClusterShape } from "../../../cluster/broker-cluster-shape.ts";
import type { ListenerSpec } from "../../../cluster/listeners.ts";
import { API_VERSION } from "../../../cluster/resources.ts";

const outside = (fields: Partial<ListenerSpec> = {}): ListenerSpec => ({
  name: "outside",
  port: 9094,
  type: "nodeport",
  ...fields,
});
const balanced = (fields: Partial<ListenerSpec> = {}): ListenerSpec =>
  outside({ type: "loadbalancer", ...fields });

function shapeOf(
  listeners: readonly ListenerSpec[],
  brokers: number,
  name = "c",
): ReturnType<typeof brokerClusterShape> {
  const cluster: BrokerCluster = {
    apiVersion: API_VERSION,
    kind: "BrokerCluster",
    metadata: { name },
    spec: { brokers, listeners },
  };
  return brokerClusterShape(cluster);
}

describe("listeners of a BrokerCluster", () => {
  it("one inside on 9092 is there without being listed, or where it is listed", () => {
    for (const [listeners, port] of [
      [[], 9092],
      [[outside()], 9092],
      [[outside(), { name: "plaintext", port: 9192 }], 9192],
    ] as const) {
      const shape = shapeOf(listeners, 3);
      assert.ok("outside" in shape);
      assert.equal(shape.port, port);
      assert.deepEqual(
        shape.outside.map(({ name }) => name),
        listeners.length === 0 ? [] : ["outside"],
      );
    }
  });

  const accepted: readonly (readonly [string, readonly ListenerSpec[]])[] = [
    ["one of each type", [outside(), balanced({ name: "lb", port: 9095 })]],
    [
      "port 9092, when the one inside has another",
      [outside({ port: 9092 }), { name: "plaintext", port: 9192 }],
    ],
    [
      "node ports side by side",
      [
        outside({ firstNodePort: 31_000 }),
        outside({ name: "b", port: 9095, firstNodePort: 31_004 }),
      ],
    ],
    ["node ports up to the last", [outside({ firstNodePort: 65_532 })]],
    [
      "one host with a port for each broker",
      [outside({ advertisedHost: "k.example", advertisedFirstPort: 65_533 })],
    ],
    ["one host for node ports, which differ", [outside({ advertisedHost: "k.example" })]],
    ["hosts with one port", [balanced({ advertisedHost: "k-{id}.example", advertisedPort: 443 })]],
  ];
  for (const [what, listeners] of accepted) {
    it(`accepts ${what}`, () => {
      const shape = shapeOf(listeners, 3);
      assert.ok(!("reason" in shape), JSON.stringify(shape));
    });
  }

  const refused: readonly (readonly [string, readonly ListenerSpec[], RegExp])[] = [
    [
      "a name of the brokers' own",
      [outside({ name: "internal" })],
      /listener internal: brokers have a port of this name/,
    ],
    [
      "one outside that has the name of the one inside",
      [outside({ name: "plaintext" })],
      /is of type internal and every other/,
    ],
    [
      "one inside of another name",
      [{ name: "other", port: 9094 }],
      /is of type internal and every other/,
    ],
    [
      "the port between brokers",
      [outside({ port: 9093 })],
      /cannot have port 9093; choose one of 1024 to 65535/,
    ],
    ["a port that takes rights to open", [outside({ port: 443 })], /cannot have port 443/],
    [
      "two with one port",
      [outside(), balanced({ name: "lb" })],
      /listeners outside and lb have the same port 9094/,
    ],
    [
      "the port of the one inside",
      [outside({ port: 9092 })],
      /listeners plaintext and outside have the same port 9092/,
    ],
    [
      "a name too long for a Service",
      [outside({ name: "fifteen-letters" })],
      /is too long to name a Service/,
    ],
    [
      "fields of another type",
      [outside({ loadBalancerClass: "a" })],
      /loadBalancerClass means nothing for a listener of type nodeport/,
    ],
    [
      "fields of another type",
      [balanced({ addressTypes: ["InternalIP"] })],
      /addressTypes means nothing for a listener of type loadbalancer/,
    ],
    [
      "fields of those from outside",
      [{ name: "plaintext", port: 9092, advertisedHost: "a" }],
      /advertisedHost means nothing for a listener of type internal/,
    ],
    [
      "one port for brokers that may share a node",
      [outside({ advertisedPort: 9094 })],
      /advertisedPort is the same for all brokers/,
    ],
    [
      "two ports for one broker",
      [outside({ advertisedHost: "k-{id}", advertisedPort: 1, advertisedFirstPort: 1 })],
      /exclude each other/,
    ],
    [
      "one address for all load balancers",
      [balanced({ advertisedHost: "k.example" })],
      /put \{id\} into advertisedHost, or set advertisedFirstPort/,
    ],
    [
      "node ports that meet",
      [
        outside({ firstNodePort: 31_003 }),
        outside({ name: "b", port: 9095, firstNodePort: 31_000 }),
      ],
      /listeners outside and b would have the same node ports/,
    ],
    [
      "node ports beyond the last",
      [outside({ firstNodePort: 65_533 })],
      /firstNodePort leaves no port for the last broker/,
    ],
    [
      "ports beyond the last",
      [outside({ advertisedFirstPort: 65_534 })],
      /advertisedFirstPort leaves no port for the last broker/,
    ],
  ];
  for (const [what, listeners, message] of refused) {
    it(`refuses ${what}: ${listeners.map(({ name }) => name).join(", ")}`, () => {
      const shape = shapeOf(listeners, 3, "a-cluster-whose-name-has-38-characters");
      assert.ok("reason" in shape, "accepted");
      assert.equal(shape.reason, "InvalidListener");
      assert.match(shape.message, message);
    });
  }
});
