import assert from "node:assert/strict";
import type { BrokerCluster } from "../../../../cluster/broker-cluster.ts";
import type { ListenerSpec } from "../../../../cluster/listeners.ts";
import { ForbiddenError } from "../../../../kube/errors.ts";
import {
  networkPolicies,
  nodes,
  services,
  type ServiceObject,
} from "../../../../operator/resources/workloads.ts";
import { pods } from "../../../../local/workloads.ts";
import {
  ClusterWorld,
  NAMESPACE,
  type ClusterWorldOptions,
} from "../../../support/cluster-world.ts";

const NODE_PORT: ListenerSpec = { name: "out", port: 9094, type: "nodeport" };
const BALANCED: ListenerSpec = { name: "out", port: 9094, type: "loadbalancer" };

describe("BrokerCluster controller: listeners from outside", () => {
  let world: ClusterWorld;
  afterEach(() => {
    world.stop();
  });

  /** Three brokers on nodes with addresses 10.0.0.10, .11 and .12, ready before there is a listener. */
  async function start(options: ClusterWorldOptions = {}): Promise<void> {
    world = new ClusterWorld(options);
    for (const id of [0, 1, 2]) world.fakes.hosts.set(id, `10.0.0.1${id}`);
    await world.ready({ brokers: 3 });
  }

  async function listeners(...wanted: readonly ListenerSpec[]): Promise<void> {
    await world.change({ listeners: wanted });
    await world.scheduler.advance(2000);
  }

  async function outside(): Promise<ServiceObject[]> {
    const { items } = await world.do(world.kube.list(services, NAMESPACE));
    return items.filter(({ metadata }) => metadata.labels?.["forebay.dev/listener"] !== undefined);
  }

  /** What a real API server does at once: gives node ports to those that have none, from 30000 on in their order. */
  async function givePorts(): Promise<void> {
    for (const [at, one] of (await outside()).entries()) {
      const ports = (one.spec?.ports ?? []).map((port) => ({ nodePort: 30_000 + at, ...port }));
      const spec = { ...one.spec, ports };
      await world.do(world.kube.replace(services, NAMESPACE, { ...one, spec }));
    }
    await world.scheduler.advance(1000);
  }

  async function giveIngress(name: string, ip: string): Promise<void> {
    const one = await world.do(world.kube.get(services, NAMESPACE, name));
    const status = { loadBalancer: { ingress: [{ ip }] } };
    await world.do(
      world.kube.replace(services, NAMESPACE, { ...one, status }, { subresource: "status" }),
    );
    await world.scheduler.advance(500);
  }

  async function told(): Promise<NonNullable<BrokerCluster["status"]>["listeners"]> {
    return (await world.cluster()).status?.listeners;
  }

  it("get a Service for each broker and one to begin at, and no broker is restarted", async () => {
    await start();
    const before = (await world.pods()).map(({ metadata }) => metadata.uid);
    await listeners(NODE_PORT);
    const made = await outside();
    assert.deepEqual(
      made.map(({ metadata }) => metadata.name),
      ["c-out-0", "c-out-1", "c-out-2", "c-out-bootstrap"],
    );
    const [first, , , bootstrap] = made.map(({ spec }) => spec as Record<string, unknown>);
    const own = { "forebay.dev/cluster": "c", "app.kubernetes.io/name": "forebay" };
    assert.deepEqual(first?.["selector"], {
      ...own,
      "statefulset.kubernetes.io/pod-name": "c-0",
    });
    assert.deepEqual(bootstrap?.["selector"], own);
    assert.equal(first["type"], "NodePort");
    const { items } = await world.do(world.kube.list(networkPolicies, NAMESPACE));
    const [policy] = items;
    const { ingress } = policy?.spec as { ingress: { ports: { port: number }[] }[] };
    assert.deepEqual(
      ingress[0]?.ports.map(({ port }) => port),
      [9092, 9094],
    );
    await givePorts();
    assert.deepEqual(await told(), [
      {
        name: "out",
        bootstrap: "10.0.0.10:30003,10.0.0.11:30003,10.0.0.12:30003",
        brokers: [0, 1, 2].map((id) => ({ id, host: `10.0.0.1${id}`, port: 30_000 + id })),
      },
    ]);
    assert.match(await world.conditions(), /Ready BrokersReady.*ListenersReady AddressesKnown/);
    const after = (await world.pods()).map(({ metadata }) => metadata.uid);
    assert.deepEqual([after, world.fakes.restarts], [before, []]);
    assert.ok(
      (await world.events()).some((one) =>
        one.startsWith("ListenersReady: clients from outside are served by out at 10.0.0.10:30003"),
      ),
    );
  });

  it("at rest nothing is written", async () => {
    await start();
    await listeners(NODE_PORT);
    await givePorts();
    world.writes.length = 0;
    await world.scheduler.advance(15 * 60_000);
    assert.deepEqual(world.writes, []);
  });

  it("a pod that comes back on another node has the address of that one, without a word while it is away", async () => {
    await start();
    await listeners(NODE_PORT);
    await givePorts();
    world.fakes.hosts.set(1, "10.0.0.77");
    await world.do(world.kube.delete(pods, NAMESPACE, "c-1"));
    await world.scheduler.advance(150);
    const away = (await told())?.[0]?.brokers[1];
    assert.deepEqual(away, { id: 1, host: "10.0.0.11", port: 30_001 });
    await world.scheduler.advance(3000);
    const back = (await told())?.[0]?.brokers[1];
    assert.deepEqual(back, { id: 1, host: "10.0.0.77", port: 30_001 });
  });

  it("wait for load balancers, and say which", async () => {
    await start();
    await listeners(BALANCED);
    const names = ["c-out-0", "c-out-1", "c-out-2", "c-out-bootstrap"];
    for (const [at, name] of names.entries()) {
      assert.match(await world.conditions(), /^Reconciling ListenersNotReady$/);
      const message = await world.message("ListenersReady");
      assert.equal(message, await world.message("Ready"));
      for (const [other, waiting] of names.entries()) {
        assert.equal(message?.includes(`Service ${waiting} has not been given`), other >= at);
      }
      await giveIngress(name, `203.0.113.${at}`);
    }
    assert.match(await world.conditions(), /Ready BrokersReady/);
    assert.deepEqual(await told(), [
      {
        name: "out",
        bootstrap: "203.0.113.3:9094",
        brokers: [0, 1, 2].map((id) => ({ id, host: `203.0.113.${id}`, port: 9094 })),
      },
    ]);
    const events = await world.events();
    assert.ok(events.some((one) => one.startsWith("ListenersNotReady: Service c-out-0 has not")));
    assert.deepEqual(world.fakes.restarts, []);
  });

  it("have Services as they are wished: ports, class, ranges, policy, annotations", async () => {
    await start();
    const annotations = { "example.org/name": "kafka-{id}.example", "example.org/free": "yes" };
    await listeners({
      ...BALANCED,
      annotations,
      firstNodePort: 31_000,
      loadBalancerClass: "example.org/lb",
      loadBalancerSourceRanges: ["192.0.2.0/24"],
      externalTrafficPolicy: "Local",
    });
    const seen = (await outside()).map(({ metadata, spec }) => {
      const { externalTrafficPolicy, loadBalancerClass, loadBalancerSourceRanges } = spec as Record<
        string,
        unknown
      >;
      assert.deepEqual(
        [loadBalancerClass, loadBalancerSourceRanges],
        ["example.org/lb", ["192.0.2.0/24"]],
      );
      return [
        metadata.annotations?.["example.org/name"],
        spec?.ports?.[0]?.nodePort,
        externalTrafficPolicy,
      ];
    });
    assert.deepEqual(seen, [
      ["kafka-0.example", 31_001, "Local"],
      ["kafka-1.example", 31_002, "Local"],
      ["kafka-2.example", 31_003, "Local"],
      ["kafka-bootstrap.example", 31_000, undefined],
    ]);
    // What is wished no more goes, also when another operator had made it.
    world.startOperator("forebay:1");
    await listeners({ ...BALANCED, loadBalancerClass: "example.org/lb" });
    for (const { metadata, spec } of await outside()) {
      assert.deepEqual(Object.keys(metadata.annotations ?? {}), ["forebay.dev/wish"]);
      assert.equal((spec as Record<string, unknown>)["loadBalancerSourceRanges"], undefined);
    }
  });

  it("go with their Services, and those of others stay", async () => {
    await start();
    const other = {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "mine",
        namespace: NAMESPACE,
        labels: { "forebay.dev/cluster": "c", "forebay.dev/listener": "out" },
      },
      spec: { ports: [{ port: 9094 }] },
    };
    await world.do(world.kube.create(services, NAMESPACE, other));
    await listeners(NODE_PORT, { ...NODE_PORT, name: "too", port: 9095 });
    assert.equal((await outside()).length, 9);
    await listeners({ ...NODE_PORT, name: "too", port: 9095 });
    const left = (await outside()).map(({ metadata }) => metadata.name);
    assert.deepEqual(left, ["c-too-0", "c-too-1", "c-too-2", "c-too-bootstrap", "mine"]);
    await listeners();
    assert.deepEqual(
      (await outside()).map(({ metadata }) => metadata.name),
      ["mine"],
    );
    assert.deepEqual(await told(), undefined);
    assert.equal(await world.message("ListenersReady"), undefined);
    assert.deepEqual(world.fakes.restarts, []);
  });

  it("go along when brokers come and go", async () => {
    await start();
    await listeners(NODE_PORT);
    await givePorts();
    world.fakes.hosts.set(3, "10.0.0.13");
    await world.change({ brokers: 4 });
    await world.scheduler.advance(3000);
    await givePorts();
    assert.equal((await told())?.[0]?.brokers.length, 4);
    await world.change({ brokers: 3 });
    await world.scheduler.advance(3000);
    assert.equal((await told())?.[0]?.brokers.length, 3);
    assert.equal((await outside()).length, 4);
  });

  it("a name that somebody has taken is told, and left to its owner", async () => {
    await start();
    const metadata = { name: "c-out-1", namespace: NAMESPACE };
    const spec = { ports: [{ port: 1 }] };
    const foreign = { apiVersion: "v1", kind: "Service", metadata, spec };
    await world.do(world.kube.create(services, NAMESPACE, foreign));
    await listeners(NODE_PORT);
    assert.match(
      (await world.message("Stalled")) ?? "",
      /there is a Service c-out-1 that is not of/,
    );
    const now = await world.do(world.kube.get(services, NAMESPACE, "c-out-1"));
    assert.deepEqual(now.spec, spec);
  });

  it("other addresses of nodes are read, once the operator may", async () => {
    let allowed = false;
    await start({
      fault: ({ resource, verb }) =>
        resource.plural === "nodes" && verb === "get" && !allowed
          ? { before: new ForbiddenError(403, "Forbidden", "nodes") }
          : undefined,
    });
    for (const id of [0, 1, 2]) {
      const metadata = { name: `node-10.0.0.1${id}` };
      const addresses = [{ type: "ExternalIP", address: `198.51.100.${id}` }];
      const node = { apiVersion: "v1", kind: "Node", metadata };
      const made = await world.do(world.kube.create(nodes, "", node));
      await world.do(
        world.kube.replace(
          nodes,
          "",
          { ...made, status: { addresses } },
          { subresource: "status" },
        ),
      );
    }
    await listeners({ ...NODE_PORT, addressTypes: ["ExternalIP"] });
    await givePorts();
    assert.match(
      (await world.message("ListenersReady")) ?? "",
      /the operator may not read node node-10.0.0.10; install the chart with readNodes=true/,
    );
    allowed = true;
    await world.scheduler.advance(31_000);
    assert.deepEqual(
      (await told())?.[0]?.brokers.map(({ host }) => host),
      ["198.51.100.0", "198.51.100.1", "198.51.100.2"],
    );
    // One that gets another address is seen within minutes.
    const node = await world.do(world.kube.get(nodes, "", "node-10.0.0.11"));
    const status = { addresses: [{ type: "ExternalIP", address: "198.51.100.99" }] };
    await world.do(world.kube.replace(nodes, "", { ...node, status }, { subresource: "status" }));
    await world.scheduler.advance(6 * 60_000);
    assert.equal((await told())?.[0]?.brokers[1]?.host, "198.51.100.99");
  });
});
