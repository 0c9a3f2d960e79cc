import assert from "node:assert/strict";
import { topics } from "../../cluster/resources.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { podObjects, volumeClaims } from "../../operator/resources/workloads.ts";
import type { Operations } from "../support/operations.ts";
import { harnessFor, kubernetesFor, type TestKubernetes } from "./support/cluster.ts";
import type { Load } from "./support/load.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";

const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-stories",
  operatorNamespace: "forebay-stories-system",
  cluster: "main",
  brokers: 3,
  partitions: 12,
  recordsPerSecond: 200,
};
const { namespace: NAMESPACE, operatorNamespace: OPERATOR_NAMESPACE, cluster: CLUSTER } = OPTIONS;
const OPERATOR = "deployment/forebay-operator";
/** Longer than any gap that was measured by a wide margin: below it, clients with usual settings notice nothing. */
const GAP_LIMIT_MS = 10_000;
/** How long nobody may be restarted after the operator was. */
const AFTER_UPGRADE_MS = 8_000;
/** Between one killing of the operators and the next. */
const KILL_EVERY_MS = 2_000;
const NEXT_TAG = "next";

describe("operations on Kubernetes", function () {
  this.timeout(300_000);
  let kubernetes: TestKubernetes;
  let load: Load;
  let operations: Operations;
  let values: readonly string[] = [];

  before(async function () {
    kubernetes = await kubernetesFor(this);
    ({ load, operations, values } = await startLoadedCluster(kubernetes, OPTIONS));
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

  const operators = (count: number): Promise<unknown> =>
    kubernetes.kubectl("-n", OPERATOR_NAMESPACE, "scale", OPERATOR, `--replicas=${count}`);

  const uids = async (): Promise<(string | undefined)[]> =>
    (await operations.pods()).map(({ metadata }) => metadata.uid);

  it("spread onto two brokers that come, with as few moves as can be", async () => {
    await tell("three to five brokers", async () => {
      const { moved, least, mostAtOnce } = await operations.scale(5);
      console.log(
        `    ${moved} replicas copied, at least ${least}; ${mostAtOnce} partitions at once`,
      );
      assert.ok(moved >= least && moved <= least + 2, `${moved} of ${least}`);
      assert.ok(mostAtOnce <= 10, "throttled");
    });
  });

  it("tell which topic keeps brokers from going, and let them go when it can", async () => {
    await operations.makeTopic("wide", { partitions: 2, replicas: 4 });
    await operations.settled();
    await tell("five to three brokers", async () => {
      await operations.changeCluster({ brokers: 3 });
      assert.match(await operations.told("Reconciling", "DrainingBrokers"), /wide/);
      await operations.change(topics, "wide", { replicas: 3 });
      await operations.settled();
      await operations.podsReady();
    });
  });

  it("heal when a bad spec is corrected, and restart nobody for it", async () => {
    const before = await uids();
    await operations.changeCluster({ config: { "log.retention.hours": "none" } });
    assert.match(await operations.told("Stalled", "InvalidConfig"), /log.retention.hours/);
    await operations.changeCluster({ config: undefined });
    await operations.settled();
    assert.deepEqual(await uids(), before);
  });

  it("have more partitions, fewer replicas and more again", async () => {
    await tell("partitions and replicas", async () => {
      await operations.change(topics, "orders", { partitions: 18 });
      await operations.settled();
      for (const replicas of [2, 3]) {
        await operations.change(topics, "orders", { replicas });
        await operations.settled();
      }
    });
    const [slice] = await operations.slices("orders");
    const widths = slice?.spec.partitions.map(({ replicas }) => replicas.length);
    assert.deepEqual(widths, Array<number>(18).fill(3));
  });

  it("make a deleted topic again as another one", async () => {
    const { kube } = kubernetes;
    await kube.delete(topics, NAMESPACE, "wide");
    const made = await operations.makeTopic("wide", { partitions: 1 });
    await operations.settled();
    const slices = await operations.slices("wide");
    assert.deepEqual(
      slices.map(({ spec }) => [spec.topicId, spec.partitions.length]),
      [[made.metadata.uid, 1]],
    );
  });

  it("copy what was on a volume that is lost", async () => {
    await tell("volume lost", () => operations.loseVolume(1));
  });

  it("grow their volumes", async function () {
    const { kube, kubectl } = kubernetes;
    harnessFor(this, kubernetes, "the StorageClass is somebody else's");
    const allow = JSON.stringify({ allowVolumeExpansion: true });
    await kubectl("patch", "storageclass", "network-disk", "-p", allow);
    await operations.changeCluster({ storage: { size: "2Gi" } });
    await operations.told("Reconciling", "VolumesGrowing");
    // What a storage driver does; the harness's volumes are folders without a size.
    for (const id of [0, 1, 2]) {
      const claim = await kube.get(volumeClaims, NAMESPACE, `data-${CLUSTER}-${id}`);
      assert.equal(claim.spec.resources?.requests?.storage, "2Gi");
      const grown = JSON.stringify({ status: { capacity: { storage: "2Gi" } } });
      await kubectl(
        ...["-n", NAMESPACE, "patch", "pvc", claim.metadata.name, "--subresource=status"],
        ...["--type=merge", "-p", grown],
      );
    }
    await operations.settled();
  });

  it("do without operators while a pod is lost", async () => {
    await operators(0);
    await tell("pod lost with no operator", async () => {
      const { kube, kubectl } = kubernetes;
      const { metadata } = await kube.get(podObjects, NAMESPACE, `${CLUSTER}-0`);
      const now = ["--grace-period=0", "--force"];
      await kubectl("-n", NAMESPACE, "delete", "pod", metadata.name, ...now);
      await operations.podsReady();
      await operations.inSync();
    });
    await operators(2);
    await operations.settled();
  });

  it("are restarted for another configuration though all operators are killed again and again", async () => {
    const before = await operations.pods();
    let over = false;
    let kills = 0;
    const killing = (async () => {
      while (!over) {
        await sleep(realScheduler, KILL_EVERY_MS);
        const now = ["--grace-period=0", "--force", "--wait=false"];
        const label = "app.kubernetes.io/instance=forebay";
        await kubernetes.kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", "-l", label, ...now);
        // The Lease of one that was killed would keep the next one waiting for 15 s.
        const lease = ["delete", "lease", "forebay-operator", "--ignore-not-found"];
        await kubernetes.kubectl("-n", OPERATOR_NAMESPACE, ...lease);
        if (++kills >= 6) return;
      }
    })();
    try {
      await tell("restarted while operators are killed", async () => {
        await operations.changeCluster({ config: { "log.retention.hours": "48" } });
        await operations.restarted(before);
      });
    } finally {
      over = true;
      await killing;
    }
    assert.ok(kills > 0);
    const ready = ["rollout", "status", OPERATOR, "--timeout=60s"];
    await kubernetes.kubectl("-n", OPERATOR_NAMESPACE, ...ready);
  });

  it("restart no broker when the operator is another version, and all when they are told to", async function () {
    const { helm, image } = kubernetes;
    const harness = harnessFor(this, kubernetes, "another image cannot be made here");
    for (const node of ["node1", "node2", "node3"]) {
      const names = [image.tag, NEXT_TAG].map((tag) => `${image.repository}:${tag}`);
      await harness.onNode(
        node,
        "ctr",
        "--namespace",
        "k8s.io",
        "images",
        "tag",
        "--force",
        ...names,
      );
    }
    const before = await operations.pods();
    await helm(
      ...["upgrade", "forebay", "charts/forebay", "--namespace", OPERATOR_NAMESPACE, ...values],
      ...["--set", `image.tag=${NEXT_TAG}`, "--wait", "--timeout", "90s"],
    );
    assert.match(
      await operations.told("UpgradeAvailable", "OperatorChanged"),
      new RegExp(NEXT_TAG),
    );
    await sleep(realScheduler, AFTER_UPGRADE_MS);
    assert.deepEqual(
      await uids(),
      before.map(({ metadata }) => metadata.uid),
    );
    await tell("restarted for another image", async () => {
      await operations.changeCluster({ image: `${image.repository}:${NEXT_TAG}` });
      await operations.restarted(before);
    });
  });

  it("have lost, doubled and reordered no acknowledged record in all that", async () => {
    const { acknowledged, stored, lost, duplicated, outOfOrder } = await load.verdict();
    console.log(`    ${acknowledged} records acknowledged, ${stored} stored`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });
});
