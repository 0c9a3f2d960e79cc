import assert from "node:assert/strict";
import path from "node:path";
import { brokerClusters, topics } from "../../cluster/resources.ts";
import type { ListenerSpec, ListenerStatus } from "../../cluster/listeners.ts";
import {
  podObjects,
  services,
  type PodObject,
  type ServiceObject,
} from "../../operator/resources/workloads.ts";
import { eventually } from "../support/local-cluster.ts";
import {
  harnessFor,
  kubernetesFor,
  makeNamespaces,
  type TestKubernetes,
} from "./support/cluster.ts";

const NAMESPACE = "forebay-listeners";
const CLUSTER = "main";
const BROKERS = 2;
const RECORDS = 500;
const CLIENT = path.resolve(import.meta.dirname, "../conformance/clients/kafkajs.mjs");
/** Prints where a client is told that brokers are. */
const TOLD = `import { Kafka } from "kafkajs";
  const admin = new Kafka({ brokers: process.argv[1].split(",") }).admin();
  await admin.connect();
  const { brokers } = await admin.describeCluster();
  console.log(brokers.map(({ host, port }) => host + ":" + port).join(" "));
  await admin.disconnect();`;
/** Addresses that no load balancer has; kube-proxy takes them for one once the Services' status has them. */
const BALANCER = "192.0.2";

const NODE_PORT: ListenerSpec = {
  name: "outside",
  port: 9094,
  type: "nodeport",
  // No node has the first: the operator has read the nodes when it tells the second.
  addressTypes: ["ExternalIP", "InternalIP"],
};
const BALANCED: ListenerSpec = { name: "balanced", port: 9095, type: "loadbalancer" };

describe("clients outside of the Kubernetes cluster", function () {
  this.timeout(300_000);
  let kubernetes: TestKubernetes;
  let made: readonly (string | undefined)[] = [];
  let written = 0;

  before(async function () {
    kubernetes = await kubernetesFor(this);
    const { kubectl, helm, image, kube } = kubernetes;
    await makeNamespaces(kubernetes, NAMESPACE);
    // Helm leaves definitions alone that are there.
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/");
    const wanted = [
      `image.repository=${image.repository}`,
      `image.tag=${image.tag}`,
      `watchNamespace=${NAMESPACE}`,
      "readNodes=true",
      "replicas=1",
    ];
    const values = wanted.flatMap((value) => ["--set", value]);
    await helm(
      ...["install", "listeners", "charts/forebay", "--namespace", NAMESPACE, ...values],
      ...["--wait", "--timeout", "90s"],
    );
    await kube.create(brokerClusters, NAMESPACE, {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "BrokerCluster",
      metadata: { name: CLUSTER, namespace: NAMESPACE },
      spec: {
        brokers: BROKERS,
        storage: { size: "1Gi" },
        resources: { requests: { cpu: "50m", memory: "128Mi" } },
      },
    });
    await waitFor("condition=Ready", `bc/${CLUSTER}`);
    await kube.create(topics, NAMESPACE, {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: "orders", namespace: NAMESPACE },
      spec: { cluster: CLUSTER, partitions: 4, replicas: BROKERS },
    });
    await waitFor("condition=Ready", "ftopic/orders");
    made = (await podsOf()).map(({ metadata }) => metadata.uid);
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes === undefined) return;
    const { kubectl, helm } = kubernetes;
    await kubectl("-n", NAMESPACE, "delete", "bc", "--all", "--timeout=60s");
    await helm("uninstall", "listeners", "--namespace", NAMESPACE, "--wait");
    await kubectl("delete", "namespace", NAMESPACE);
  });

  it("are told the nodes of the brokers and their node ports, and no broker is restarted for it", async () => {
    await listeners(NODE_PORT);
    await waitFor("condition=ListenersReady", `bc/${CLUSTER}`);
    await isWhereItsPodsAre();
    assert.deepEqual(
      (await podsOf()).map(({ metadata }) => metadata.uid),
      made,
    );
  });

  it("write and read through the nodes, and are not sent inside", async function () {
    await roundTrip(this, (await found(NODE_PORT.name)).bootstrap ?? "");
  });

  it("find a broker that has moved to another node", async function () {
    const { kubectl, harness } = kubernetes;
    const pod = (await podsOf())[1];
    const from = pod?.spec?.nodeName ?? "";
    await kubectl("cordon", from);
    try {
      await kubectl("-n", NAMESPACE, "delete", "pod", `${CLUSTER}-1`);
      await eventually(
        async () => {
          const now = (await podsOf())[1];
          return now?.spec?.nodeName !== undefined && now.spec.nodeName !== from ? true : undefined;
        },
        "the broker on another node",
        60_000,
      );
      await waitFor("condition=Ready", `pod/${CLUSTER}-1`);
    } finally {
      await kubectl("uncordon", from);
    }
    made = (await podsOf()).map(({ metadata }) => metadata.uid);
    await eventually(async () => {
      await waitFor("condition=ListenersReady", `bc/${CLUSTER}`);
      return isWhereItsPodsAre().then(
        () => true as const,
        () => undefined,
      );
    }, "the address of the other node");
    if (harness === undefined) return;
    await roundTrip(this, (await found(NODE_PORT.name)).bootstrap ?? "");
  });

  it("are told by the status what a load balancer has not done yet", async function () {
    const before = await servicesOf();
    assert.equal(before.length, BROKERS + 1);
    await listeners(BALANCED);
    await eventually(async () => {
      const left = (await servicesOf()).map(({ metadata }) => metadata.name);
      return left.join() === ["0", "1", "bootstrap"].map((to) => `${CLUSTER}-balanced-${to}`).join()
        ? true
        : undefined;
    }, "Services of the new listener alone");
    harnessFor(this, kubernetes, "load balancers of this cluster may be quick");
    await waitFor("condition=ListenersReady=false", `bc/${CLUSTER}`);
    const { status } = await kubernetes.kube.get(brokerClusters, NAMESPACE, CLUSTER);
    const condition = (type: string) => status?.conditions?.find((one) => one.type === type);
    assert.equal(condition("Ready")?.reason, "ListenersNotReady");
    assert.match(
      condition("ListenersReady")?.message ?? "",
      /Service main-balanced-0 has not been given an address by a load balancer/,
    );
    const events = ["-n", NAMESPACE, "get", "events", "--field-selector"];
    assert.match(
      await kubernetes.kubectl(...events, "reason=ListenersNotReady"),
      /brokercluster\/main/,
    );
  });

  it("write and read through load balancers, once they have addresses", async function () {
    const { kubectl } = kubernetes;
    const harness = harnessFor(
      this,
      kubernetes,
      "only the harness has load balancers that a test can play",
    );
    for (const [at, { metadata }] of (await servicesOf()).entries()) {
      const ingress = [{ ip: `${BALANCER}.${at + 1}` }];
      const patch = JSON.stringify({ status: { loadBalancer: { ingress } } });
      const what = ["svc", metadata.name, "--subresource=status", "--type=merge", "-p", patch];
      await kubectl("-n", NAMESPACE, "patch", ...what);
    }
    await waitFor("condition=ListenersReady", `bc/${CLUSTER}`);
    await waitFor("condition=Ready", `bc/${CLUSTER}`);
    const { bootstrap, brokers } = await found(BALANCED.name);
    assert.equal(bootstrap, `${BALANCER}.3:9095`);
    assert.deepEqual(
      brokers,
      [0, 1].map((id) => ({ id, host: `${BALANCER}.${id + 1}`, port: 9095 })),
    );
    assert.deepEqual(
      (await podsOf()).map(({ metadata }) => metadata.uid),
      made,
    );
    const nodeAddress = (await podsOf())[0]?.status?.hostIP ?? "";
    await harness.beside("ip", "route", "replace", `${BALANCER}.0/24`, "via", nodeAddress);
    await roundTrip(this, bootstrap);
  });

  it("are left outside again when the listener is taken out", async () => {
    await listeners();
    await eventually(
      async () => ((await servicesOf()).length === 0 ? true : undefined),
      "no Service of a listener",
    );
    await waitFor("condition=Ready", `bc/${CLUSTER}`);
    const { status } = await kubernetes.kube.get(brokerClusters, NAMESPACE, CLUSTER);
    assert.equal(status?.listeners, undefined);
    assert.deepEqual(
      (await podsOf()).map(({ metadata }) => metadata.uid),
      made,
    );
  });

  /** A client of this machine, in no pod, writes records and reads all that there are. */
  async function roundTrip(context: Mocha.Context, bootstrap: string): Promise<void> {
    const harness = harnessFor(context, kubernetes, "nodes cannot be reached from here");
    const { brokers } = await found((await listenersOf())[0] ?? "");
    const told = await harness.beside(
      process.execPath,
      "--input-type=module",
      "-e",
      TOLD,
      bootstrap,
    );
    assert.deepEqual(
      told.trim().split(" ").sort(),
      brokers.map(({ host, port }) => `${host}:${port}`).sort(),
    );
    const client = [process.execPath, CLIENT];
    await harness.beside(...client, "produce", bootstrap, "orders", String(RECORDS));
    written += RECORDS;
    const group = `g${written}`;
    const read = await harness.beside(
      ...client,
      ...["consume", bootstrap, "orders", group, String(written)],
    );
    const lines = read.trim().split("\n");
    assert.equal(new Set(lines.map((line) => line.split(" ").slice(0, 2).join())).size, written);
  }

  async function isWhereItsPodsAre(): Promise<void> {
    const pods = await podsOf();
    const { bootstrap, brokers } = await found(NODE_PORT.name);
    const ports = new Map(
      (await servicesOf()).map(({ metadata, spec }) => [
        metadata.name,
        spec?.ports?.[0]?.nodePort ?? 0,
      ]),
    );
    assert.deepEqual(
      brokers,
      pods.map(({ status }, id) => ({
        id,
        host: status?.hostIP,
        port: ports.get(`${CLUSTER}-outside-${id}`),
      })),
    );
    const port = ports.get(`${CLUSTER}-outside-bootstrap`);
    const hosts = new Set(pods.map(({ status }) => `${status?.hostIP}:${port}`));
    assert.equal(bootstrap, [...hosts].join());
  }

  async function listeners(...wanted: readonly ListenerSpec[]): Promise<void> {
    const patch = JSON.stringify({ spec: { listeners: wanted } });
    await kubernetes.kubectl("-n", NAMESPACE, "patch", "bc", CLUSTER, "--type=merge", "-p", patch);
    // The conditions are of this wish from then on.
    await eventually(async () => {
      const { metadata, status } = await kubernetes.kube.get(brokerClusters, NAMESPACE, CLUSTER);
      return status?.observedGeneration === metadata.generation ? true : undefined;
    }, "the operator has looked");
  }

  async function waitFor(what: string, object: string): Promise<void> {
    await kubernetes.kubectl("-n", NAMESPACE, "wait", `--for=${what}`, object, "--timeout=90s");
  }

  async function found(name: string): Promise<ListenerStatus> {
    const { status } = await kubernetes.kube.get(brokerClusters, NAMESPACE, CLUSTER);
    const one = status?.listeners?.find((listener) => listener.name === name);
    assert.ok(one !== undefined, `nothing is said of ${name}`);
    return one;
  }

  async function listenersOf(): Promise<string[]> {
    const { spec } = await kubernetes.kube.get(brokerClusters, NAMESPACE, CLUSTER);
    return (spec.listeners ?? []).map(({ name }) => name);
  }

  async function podsOf(): Promise<PodObject[]> {
    const labelSelector = `forebay.dev/cluster=${CLUSTER}`;
    const { items } = await kubernetes.kube.list(podObjects, NAMESPACE, { labelSelector });
    return [...items].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  async function servicesOf(): Promise<ServiceObject[]> {
    const labelSelector = `forebay.dev/cluster=${CLUSTER},forebay.dev/listener`;
    const { items } = await kubernetes.kube.list(services, NAMESPACE, { labelSelector });
    return [...items].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }
});
