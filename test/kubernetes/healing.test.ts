import assert from "node:assert/strict";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { SECOND } from "../../lib/units.ts";
import { leases } from "../../cluster/resources.ts";
import { events, podObjects, type PodObject } from "../../operator/resources/workloads.ts";
import { eventually } from "../support/local-cluster.ts";
import type { Operations } from "../support/operations.ts";
import { apiWrites, versionsOf, writesBetween } from "./support/api-writes.ts";
import { harnessFor, kubernetesFor, type TestKubernetes } from "./support/cluster.ts";
import type { Load } from "./support/load.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";
import { nodeOf } from "./support/pods.ts";

/** How long nobody may write; 300 for the figures. */
const { REST_SECONDS = "20" } = process.env;
const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-healing",
  operatorNamespace: "forebay-healing-system",
  cluster: "main",
  brokers: 3,
  partitions: 6,
  recordsPerSecond: 200,
};
const { namespace: NAMESPACE } = OPTIONS;
/** Longer than any gap that was measured by a wide margin. */
const GAP_LIMIT_MS = 10_000;
const LIMIT_MS = 120_000;
/** Statuses that follow from what happened before are written within this time. */
const TRAIL_MS = 5000;

describe("rest and healing on Kubernetes", function () {
  this.timeout(300_000 + Number(REST_SECONDS) * SECOND);
  let kubernetes: TestKubernetes;
  let load: Load;
  let operations: Operations;

  before(async function () {
    kubernetes = await kubernetesFor(this);
    // Volumes that are lost with their node; elsewhere a class of that name need not be there.
    const bound = kubernetes.harness === undefined ? {} : { storageClassName: "local-disk" };
    ({ load, operations } = await startLoadedCluster(kubernetes, { ...OPTIONS, ...bound }));
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes !== undefined) await endLoadedCluster(kubernetes, OPTIONS);
  });

  async function tell(name: string, act: () => Promise<unknown>): Promise<void> {
    const { seconds, gapMs } = await operations.timed(act);
    console.log(`    ${name}: ${seconds.toFixed(1)} s, longest gap ${gapMs.toFixed(0)} ms`);
    assert.ok(gapMs < GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
  }

  /** What is under way, with why it does not go on. */
  async function statusSays(pattern: RegExp): Promise<void> {
    let message = "";
    await eventually(
      async () => {
        const { status } = await operations.cluster();
        message = status?.conditions?.find(({ type }) => type === "Reconciling")?.message ?? "";
        return pattern.test(message) || undefined;
      },
      `${String(pattern)} in the status`,
      LIMIT_MS,
    ).catch((error: unknown) => {
      throw new Error(`the status says: ${message}`, { cause: error });
    });
  }

  it("nobody writes anything of ours while nothing happens", async () => {
    await operations.settled();
    await sleep(realScheduler, TRAIL_MS);
    const before = await apiWrites(kubernetes);
    const versions = await versionsOf(kubernetes, NAMESPACE);
    await sleep(realScheduler, Number(REST_SECONDS) * SECOND);
    assert.equal(await versionsOf(kubernetes, NAMESPACE), versions);
    const writes = [...writesBetween(before, await apiWrites(kubernetes))];
    console.log(`    ${REST_SECONDS} s at rest`);
    assert.deepEqual(
      writes.filter(([, count]) => count > 0),
      [],
    );
  });

  it("an image that is not there stops one broker, and heals when it is taken back", async () => {
    const before = await operations.pods();
    await tell("an image that is not there, and back", async () => {
      await operations.changeCluster({ image: "localhost/forebay:none" });
      await statusSays(/ErrImage|ImagePull/);
      await operations.changeCluster({ image: undefined });
      await operations.settled();
    });
    const kept = (await operations.pods()).filter((pod) =>
      before.some(({ metadata }) => metadata.uid === pod.metadata.uid),
    );
    assert.equal(kept.length, OPTIONS.brokers - 1, "the others were left as they were");
  });

  it("a node is lost together with its broker's volume, and the broker is whole on another with an empty one", async function () {
    const { kube, kubectl } = kubernetes;
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    await operations.settled();
    const victim = await boundAlone();
    const { name } = victim.metadata;
    const node = nodeOf(victim);
    const taint = `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`;
    // An operator that begins to act later does not know that the broker ran before.
    const isWatched = (await actingOperatorsNode()) !== node;
    await harness.change(node, "stop");
    try {
      await tell("node lost with its volume", async () => {
        await kubectl("wait", "--for=condition=Ready=Unknown", `node/${node}`, "--timeout=60s");
        await kubectl("taint", "node", node, taint);
        await eventually(
          async () => {
            const pod = (await operations.pods()).find((one) => one.metadata.name === name);
            return (pod !== undefined && pod.metadata.uid !== victim.metadata.uid) || undefined;
          },
          "a pod that no node can take",
          LIMIT_MS,
        );
        await statusSays(new RegExp(`${name}: Unschedulable: .*(v|V)olume`));
        // What a person does who knows that the volume will not come back.
        const there = ["-n", NAMESPACE, "delete", "--wait=false"];
        await kubectl(...there, "pvc", `data-${name}`);
        await kubectl(...there, "pod", name);
        const elsewhere = (pods: readonly PodObject[]): boolean =>
          pods.every((pod) => nodeOf(pod) !== node);
        await eventually(
          async () => elsewhere(await operations.podsReady()) || undefined,
          "all brokers on other nodes",
          LIMIT_MS,
        );
        await operations.settled();
      });
    } finally {
      await harness.change(node, "start");
      await kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=60s");
      await kubectl("taint", "node", node, `${taint}-`).catch(() => undefined);
    }
    const { items } = await kube.list(events, NAMESPACE);
    const id = name.split("-").at(-1) ?? "";
    for (const reason of isWatched ? ["BrokerLost", "BrokerReturned"] : []) {
      const told = items.some(
        (one) => one.reason === reason && one.message.includes(`broker ${id} `),
      );
      assert.ok(told, `${reason} among ${items.map((one) => one.reason).join(", ")}`);
    }
  });

  async function actingOperatorsNode(): Promise<string | undefined> {
    const { kube } = kubernetes;
    const [lease] = (await kube.list(leases, OPTIONS.operatorNamespace)).items;
    const holder = lease?.spec?.holderIdentity ?? "";
    const { items } = await kube.list(podObjects, OPTIONS.operatorNamespace);
    const pod = items.find(({ metadata }) => holder.startsWith(`${metadata.name}_`));
    return pod === undefined ? undefined : nodeOf(pod);
  }

  /** A broker whose node has no other, nor the load. One that shares its node gets another volume, and so another node. */
  async function boundAlone(): Promise<PodObject> {
    const where = ["-o", "jsonpath={.spec.nodeName}"];
    const spared = await kubernetes.kubectl("-n", NAMESPACE, "get", "pod/load", ...where);
    for (let attempt = 0; attempt < OPTIONS.brokers; attempt++) {
      const pods = await operations.podsReady();
      const on = (node: string): number => pods.filter((pod) => nodeOf(pod) === node).length;
      const found = pods.find((pod) => on(nodeOf(pod)) === 1 && nodeOf(pod) !== spared);
      if (found !== undefined) return found;
      const crowded = pods.findIndex((pod) => on(nodeOf(pod)) > 1);
      await operations.loseVolume(crowded);
    }
    assert.fail("no broker is alone on a node");
  }

  it("nothing acknowledged was lost, doubled or reordered in all that", async () => {
    const { acknowledged, stored, lost, duplicated, outOfOrder } = await load.verdict();
    console.log(`    ${acknowledged} records acknowledged, ${stored} stored`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });
});
