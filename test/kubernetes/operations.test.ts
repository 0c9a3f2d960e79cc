import assert from "node:assert/strict";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { brokerClusters, topics } from "../../cluster/resources.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { podObjects, type PodObject } from "../../operator/resources/workloads.ts";
import { eventually } from "../support/local-cluster.ts";
import { versionsOf } from "./support/api-writes.ts";
import {
  harnessFor,
  kubernetesFor,
  makeNamespaces,
  type TestKubernetes,
} from "./support/cluster.ts";
import { Load } from "./support/load.ts";
import { nodeOf, restartsOf } from "./support/pods.ts";
import { isInSync, recordedSlices } from "../support/recorded-slices.ts";

const NAMESPACE = "forebay-operations";
const OPERATOR_NAMESPACE = "forebay-system";
const CLUSTER = "main";
const BROKERS = 3;
const PARTITIONS = 6;

/** Longer than any gap that was measured by a wide margin: below it, clients with usual settings notice nothing. */
const GAP_LIMIT_MS = 10_000;
/** How long a node stays cut off after its broker is out. */
const CUT_MS = 5_000;
/** How long nothing may be written while nothing happens. */
const REST_MS = 15_000;

describe("brokers on Kubernetes", function () {
  this.timeout(600_000);
  let kubernetes: TestKubernetes;
  let load: Load;

  before(async function () {
    kubernetes = await kubernetesFor(this);
    const { helm, image } = kubernetes;
    await makeNamespaces(kubernetes, OPERATOR_NAMESPACE, NAMESPACE);
    const set = [`image.repository=${image.repository}`, `image.tag=${image.tag}`];
    const values = [...set, `watchNamespace=${NAMESPACE}`].flatMap((value) => ["--set", value]);
    await helm(
      ...["install", "forebay", "charts/forebay", "--namespace", OPERATOR_NAMESPACE, ...values],
      ...["--wait", "--timeout", "90s"],
    );
    await makeCluster(CLUSTER, BROKERS);
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes === undefined) return;
    const { helm, kubectl } = kubernetes;
    await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found");
    await helm("uninstall", "forebay", "--namespace", OPERATOR_NAMESPACE);
    await kubectl("delete", "namespace", OPERATOR_NAMESPACE);
  });

  it("get ready, on a node each, and serve publishers", async () => {
    const { kube, kubectl } = kubernetes;
    const began = performance.now();
    await kubectl(
      ...["-n", NAMESPACE, "wait", "--for=condition=Ready", `bc/${CLUSTER}`, "--timeout=120s"],
    );
    console.log(`    ready in ${seconds(began)}`);
    const topic = {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: "orders" },
      spec: { cluster: CLUSTER, partitions: PARTITIONS },
    };
    await kube.create(topics, NAMESPACE, topic);
    await kubectl(
      ...["-n", NAMESPACE, "wait", "--for=condition=Ready", "ftopic/orders", "--timeout=60s"],
    );
    load = await Load.start(kubernetes, {
      namespace: NAMESPACE,
      bootstrap: `${CLUSTER}-bootstrap.${NAMESPACE}.svc:9092`,
      topic: "orders",
      partitions: PARTITIONS,
      recordsPerSecond: 200,
    });
    await kubectl(
      ...["-n", NAMESPACE, "wait", "--for=condition=Ready", "fbroker", "--all", "--timeout=30s"],
    );
    await whole();
    const before = await load.gap();
    await eventually(
      async () => ((await load.gap()).acked > before.acked + 200 ? true : undefined),
      "records acknowledged",
    );
    if (kubernetes.harness !== undefined) {
      const nodes = new Set((await podsOf()).map(nodeOf));
      assert.equal(nodes.size, BROKERS, [...nodes].join(", "));
    }
  });

  it("leave the API alone at rest, but for the Leases", async () => {
    const before = await versionsOf(kubernetes, NAMESPACE);
    await sleep(realScheduler, REST_MS);
    assert.equal(await versionsOf(kubernetes, NAMESPACE), before);
  });

  it("go on when a pod is deleted", async () => {
    await story("pod deleted", async (pod) => {
      await kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", pod.metadata.name, "--wait=false");
    });
  });

  it("go on when a pod is deleted by force", async () => {
    await story("pod deleted by force", async (pod) => {
      const now = ["--grace-period=0", "--force"];
      await kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", pod.metadata.name, ...now);
    });
  });

  it("go on when the process is killed in its container", async function () {
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    await story("process killed", async (pod) => {
      const [container] = pod.status?.containerStatuses ?? [];
      const id = (container as { readonly containerID?: string } | undefined)?.containerID ?? "";
      const task = ["task", "kill", "--signal", "SIGKILL", id.replace("containerd://", "")];
      await harness.onNode(nodeOf(pod), "ctr", "--namespace", "k8s.io", ...task);
    });
  });

  it("go on when a node loses its power, and are whole again elsewhere when it is given up", async function () {
    const { kubectl } = kubernetes;
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    const { node } = await lonelyBroker();
    const taint = `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`;
    await load.gap();
    const began = performance.now();
    await harness.change(node, "stop");
    try {
      await kubectl("wait", "--for=condition=Ready=Unknown", `node/${node}`, "--timeout=60s");
      await kubectl("taint", "node", node, taint);
      const elsewhere = (pod: PodObject): boolean => nodeOf(pod) !== node && isReady(pod);
      await eventually(
        async () => {
          const pods = await podsOf();
          return pods.length === BROKERS && pods.every(elsewhere) ? true : undefined;
        },
        "all brokers on other nodes",
        120_000,
      );
      await whole();
      await report("node stopped", began);
    } finally {
      await harness.change(node, "start");
      await kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=60s");
      await kubectl("taint", "node", node, `${taint}-`).catch(() => undefined);
    }
  });

  it("go on when a node is cut off from the network, and have its broker back when it is not", async function () {
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    const { node, id } = await lonelyBroker();
    await load.gap();
    const began = performance.now();
    await harness.change(node, "cut");
    try {
      await eventually(
        async () =>
          (await slicesOf()).every(({ states }) =>
            states.every((state) => state?.isr.includes(id) === false),
          )
            ? true
            : undefined,
        "the broker out of all in-sync replicas",
      );
      // Publishers have been served by the others for some time when it returns.
      await sleep(realScheduler, CUT_MS);
    } finally {
      await harness.change(node, "heal");
    }
    await whole();
    await report("node cut off and healed", began);
  });

  it("are restarted one by one for another configuration", async () => {
    const before = await podsOf();
    await load.gap();
    const began = performance.now();
    const patch = { spec: { config: { "log.retention.hours": "48" } } };
    await kubernetes.kubectl(
      ...["-n", NAMESPACE, "patch", "bc", CLUSTER, "--type=merge", "-p", JSON.stringify(patch)],
    );
    let leastReady = BROKERS;
    await eventually(
      async () => {
        const pods = await podsOf();
        leastReady = Math.min(leastReady, pods.filter(isReady).length);
        const old = new Set(before.map(({ metadata }) => metadata.uid));
        return pods.length === BROKERS &&
          pods.every((pod) => !old.has(pod.metadata.uid) && isReady(pod))
          ? true
          : undefined;
      },
      "three other pods",
      180_000,
    );
    await whole();
    await report("rolling restart", began);
    assert.ok(leastReady >= BROKERS - 1, `only ${leastReady} brokers were ready at one time`);
  });

  it("are there again with their records when their cluster was deleted and is made anew", async () => {
    const { kubectl } = kubernetes;
    const began = performance.now();
    await kubectl("-n", NAMESPACE, "delete", "bc", CLUSTER, "--timeout=60s");
    await eventually(
      async () => ((await podsOf()).length === 0 ? true : undefined),
      "no broker left",
      60_000,
    );
    console.log(`    gone in ${seconds(began)}`);
    await makeCluster(CLUSTER, BROKERS);
    await whole();
    const { acked } = await load.gap();
    await eventually(
      async () => ((await load.gap()).acked > acked ? true : undefined),
      "records acknowledged again",
    );
  });

  it("have lost, doubled and reordered no acknowledged record in all that", async () => {
    const verdict = await load.verdict();
    console.log(`    ${verdict.acknowledged} records acknowledged, ${verdict.stored} stored`);
    assert.ok(verdict.acknowledged > 1000);
    const { lost, duplicated, outOfOrder } = verdict;
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  it("go when their cluster is deleted, with their volumes when it says so", async () => {
    const { kubectl } = kubernetes;
    const patch = JSON.stringify({ spec: { storage: { deletionPolicy: "delete" } } });
    await kubectl("-n", NAMESPACE, "patch", "bc", CLUSTER, "--type=merge", "-p", patch);
    const policy = ["-o", "jsonpath={.spec.persistentVolumeClaimRetentionPolicy.whenDeleted}"];
    await eventually(
      async () =>
        (await kubectl("-n", NAMESPACE, "get", "sts", CLUSTER, ...policy)) === "Delete"
          ? true
          : undefined,
      "the volumes' policy",
    );
    await kubectl("-n", NAMESPACE, "delete", "bc", CLUSTER, "--timeout=60s");
    let left = "";
    await eventually(
      async () => {
        const kinds = "pod,pvc,svc,sts,cm,sa,role,rolebinding,pdb,netpol,lease,fbroker";
        const ofCluster = ["-l", `forebay.dev/cluster=${CLUSTER}`, "-o", "name"];
        left = await kubectl("-n", NAMESPACE, "get", kinds, ...ofCluster);
        return left.trim() === "" ? true : undefined;
      },
      "nothing left of the cluster",
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`left: ${left}`, { cause: error });
    });
  });

  it("end with their namespace within 60 s", async () => {
    const { kubectl } = kubernetes;
    await makeCluster("other", 1);
    await kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "bc/other", "--timeout=60s");
    const began = performance.now();
    await kubectl("delete", "namespace", NAMESPACE, "--timeout=60s");
    console.log(`    namespace gone in ${seconds(began)}`);
  });

  async function makeCluster(name: string, brokers: number): Promise<void> {
    const cluster = {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "BrokerCluster",
      metadata: { name, namespace: NAMESPACE },
      spec: {
        brokers,
        storage: { size: "1Gi" },
        rackKey: "topology.kubernetes.io/zone",
        resources: { requests: { cpu: "50m", memory: "128Mi" } },
      },
    };
    await kubernetes.kubectlWith(JSON.stringify(cluster), "apply", "-f", "-");
  }

  /** Something happens to a broker that leads; afterwards all is whole again, and publishers had no long gap. */
  async function story(name: string, act: (pod: PodObject) => Promise<void>): Promise<void> {
    await whole();
    const leader = (await slicesOf())[0]?.states[0]?.leader ?? 0;
    const victim = (await podsOf()).find((pod) => pod.metadata.name === `${CLUSTER}-${leader}`);
    assert.ok(victim !== undefined);
    const restarts = restartsOf(victim);
    await load.gap();
    const began = performance.now();
    await act(victim);
    await eventually(
      async () => {
        const pod = (await podsOf()).find(({ metadata }) => metadata.name === victim.metadata.name);
        if (pod === undefined || !isReady(pod)) return undefined;
        return pod.metadata.uid !== victim.metadata.uid || restartsOf(pod) > restarts
          ? true
          : undefined;
      },
      "another life of the pod",
      120_000,
    );
    await whole();
    await report(name, began);
  }

  async function report(name: string, began: number): Promise<void> {
    const { gapMs, retries } = await load.gap();
    console.log(
      `    ${name}: whole again in ${seconds(began)}, longest gap ${gapMs.toFixed(0)} ms, ${retries} retries so far`,
    );
    assert.ok(gapMs < GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
  }

  async function whole(): Promise<void> {
    await eventually(
      async () => {
        const cluster: BrokerCluster = await kubernetes.kube.get(
          brokerClusters,
          NAMESPACE,
          CLUSTER,
        );
        if (cluster.status?.readyBrokers !== BROKERS) return undefined;
        const slices = await slicesOf();
        return slices.every(isInSync) && slices.length > 0 ? true : undefined;
      },
      "all replicas in sync",
      120_000,
    );
  }

  /** A broker that is alone on its node, and not with the load. What shares a node is scheduled again. */
  async function lonelyBroker(): Promise<{ readonly node: string; readonly id: number }> {
    const { kubectl } = kubernetes;
    const spared = await kubectl(
      ...["-n", NAMESPACE, "get", "pod/load", "-o", "jsonpath={.spec.nodeName}"],
    );
    for (let attempt = 0; attempt < BROKERS; attempt++) {
      await whole();
      const pods = await podsOf();
      const crowded = pods.find((pod) =>
        pods.some((one) => one !== pod && nodeOf(one) === nodeOf(pod)),
      );
      if (crowded === undefined) {
        const found = pods.find((pod) => nodeOf(pod) !== spared);
        assert.ok(found !== undefined);
        return { node: nodeOf(found), id: Number(found.metadata.name.split("-").at(-1)) };
      }
      await kubectl("-n", NAMESPACE, "delete", "pod", crowded.metadata.name);
    }
    assert.fail("two brokers stay on one node");
  }

  async function slicesOf() {
    return recordedSlices(kubernetes.kube, NAMESPACE);
  }

  async function podsOf(): Promise<readonly PodObject[]> {
    const labelSelector = `forebay.dev/cluster=${CLUSTER}`;
    return (await kubernetes.kube.list(podObjects, NAMESPACE, { labelSelector })).items;
  }
});

function isReady({ metadata, status }: PodObject): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    (status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True")
  );
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}
