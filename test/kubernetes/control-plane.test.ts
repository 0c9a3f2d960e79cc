import assert from "node:assert/strict";
import { controlPlane } from "../../bench/scenarios/control-plane.ts";
import { leases } from "../../cluster/resources.ts";
import { podObjects } from "../../operator/resources/workloads.ts";
import { apiWrites } from "./support/api-writes.ts";
import { kubernetesFor, type TestKubernetes } from "./support/cluster.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";

/** The figures are of 2000 (CONTROL_PLANE_TOPICS); by itself few, so that it keeps working. */
const TOPICS = Number(process.env["CONTROL_PLANE_TOPICS"] ?? 100);
const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-many",
  operatorNamespace: "forebay-many-system",
  cluster: "main",
  brokers: 3,
  partitions: 6,
  recordsPerSecond: 50,
  // Beside a control plane that shares the machine's cores with them.
  cpu: "600m",
};
const { namespace: NAMESPACE, operatorNamespace: OPERATOR_NAMESPACE, cluster: CLUSTER } = OPTIONS;
const MIB = 1024 * 1024;

describe("many topics on Kubernetes", function () {
  this.timeout(600_000);
  let kubernetes: TestKubernetes;

  before(async function () {
    kubernetes = await kubernetesFor(this);
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes !== undefined) await endLoadedCluster(kubernetes, OPTIONS);
  });

  it("become ready, are kept as they should be, and fail over", async () => {
    const { kube, kubectl } = kubernetes;
    const { load, operations } = await startLoadedCluster(kubernetes, OPTIONS);
    const figures = await controlPlane(
      {
        kube,
        namespace: NAMESPACE,
        cluster: CLUSTER,
        kill: async (id) => {
          const name = `${CLUSTER}-${id}`;
          const { harness } = kubernetes;
          if (harness === undefined) {
            const now = ["--grace-period=0", "--force"];
            await kubectl("-n", NAMESPACE, "delete", "pod", name, ...now);
          } else await harness.killContainer(await kube.get(podObjects, NAMESPACE, name));
        },
        ...(kubernetes.harness === undefined ? {} : { keepDown }),
        operatorBytes,
        apiWrites: async () => {
          const byKind = await apiWrites(kubernetes);
          return [...byKind.values()].reduce((sum, count) => sum + count, 0);
        },
        say: (line) => {
          console.log(`    ${line}`);
        },
      },
      TOPICS,
    );
    const { gapMs } = await load.gap();
    console.log(
      `    the operator has ${(figures.operatorBytes / MIB).toFixed(0)} MiB resident; longest gap of the publisher ${gapMs.toFixed(0)} ms`,
    );
    assert.ok(figures.driftSeconds < 30);
    assert.ok(figures.operatorBytes < 300 * MIB);
    await operations.inSync();
    const { lost, duplicated, outOfOrder } = await load.verdict();
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  /** The kubelet of its node stands still until the returned function is called. */
  async function keepDown(id: number): Promise<() => Promise<void>> {
    const { kube, harness } = kubernetes;
    const { spec } = (await kube.get(podObjects, NAMESPACE, `${CLUSTER}-${id}`)) as {
      readonly spec?: { readonly nodeName?: string };
    };
    const signal = async (name: string): Promise<void> => {
      const each = `tr "\\0" " " <$p/cmdline | grep -q "[h]yperkube kubelet " && kill -${name} \${p#/proc/}`;
      const script = `for p in /proc/[0-9]*; do ${each}; done 2>/dev/null; true`;
      await harness?.onNode(spec?.nodeName ?? "", "sh", "-c", script);
    };
    await signal("STOP");
    return () => signal("CONT");
  }

  /** Of the one that holds the Lease. */
  async function operatorBytes(): Promise<number> {
    const { kube, kubectl } = kubernetes;
    const lease = await kube.get(leases, OPERATOR_NAMESPACE, "forebay-operator");
    const [pod = ""] = (lease.spec?.holderIdentity ?? "").split("_");
    const path = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/pods/${pod}:8080/proxy/metrics`;
    const metrics = await kubectl("get", "--raw", path);
    return Number(/^forebay_operator_resident_bytes (\d+)/m.exec(metrics)?.[1]);
  }
});
