import assert from "node:assert/strict";
import type { PartitionState } from "../../../cluster/partition-slice.ts";
import { leases, topics } from "../../../cluster/resources.ts";
import type { KubeApi } from "../../../kube/api.ts";
import { ForbiddenError } from "../../../kube/errors.ts";
import { type InProcessCluster, startInProcessCluster } from "../../support/in-process-cluster.ts";
import { eventually } from "../../support/local-cluster.ts";
import { recordedSlices } from "../../support/recorded-slices.ts";

const NAMESPACE = "default";
const BASE_PORT = 21_660;
const PARTITIONS = 6;

/** The API as a pod reaches it whose object is gone: watches go on, all else is refused. */
function withoutRights(kube: KubeApi, refuses: () => boolean): KubeApi {
  const call = <T>(effect: () => Promise<T>): Promise<T> =>
    refuses() ? Promise.reject(new ForbiddenError(401, "Unauthorized", "no")) : effect();
  return {
    get: (...args) => call(() => kube.get(...args)),
    list: (...args) => call(() => kube.list(...args)),
    watch: (...args) => kube.watch(...args),
    create: (...args) => call(() => kube.create(...args)),
    replace: (...args) => call(() => kube.replace(...args)),
    jsonPatch: (...args) => call(() => kube.jsonPatch(...args)),
    apply: (...args) => call(() => kube.apply(...args)),
    delete: (...args) => call(() => kube.delete(...args)),
  };
}

describe("a broker that is told to stop", () => {
  let cluster: InProcessCluster;
  const refused = new Set<number>();

  beforeEach(async () => {
    refused.clear();
    cluster = await startInProcessCluster({
      brokers: 3,
      basePort: BASE_PORT,
      kubeOf: (id, kube) => withoutRights(kube, () => refused.has(id)),
    });
    await cluster.kube.create(topics, NAMESPACE, {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: "orders", namespace: NAMESPACE },
      spec: { cluster: "test", partitions: PARTITIONS },
    });
    await eventually(async () => {
      const partitions = await states();
      return partitions.length === PARTITIONS && partitions.every((one) => one?.isr.length === 3)
        ? true
        : undefined;
    }, "all in sync");
  });
  afterEach(async () => {
    refused.clear();
    await cluster.stop();
  });

  async function states(): Promise<readonly (PartitionState | undefined)[]> {
    return (await recordedSlices(cluster.kube, NAMESPACE))[0]?.states ?? [];
  }

  async function controller(): Promise<number> {
    const lease = await cluster.kube.get(leases, NAMESPACE, "test-controller");
    return Number(/^\d+/.exec(lease.spec?.holderIdentity ?? "")?.[0]);
  }

  for (const who of ["the controller", "another"] as const) {
    for (const rights of [
      "with its rights",
      "without rights, as when its pod was deleted by force",
    ]) {
      it(`stops serving only when others lead: ${who}, ${rights}`, async () => {
        const holder = await controller();
        const victim = who === "the controller" ? holder : (holder + 1) % 3;
        if (rights !== "with its rights") refused.add(victim);
        await cluster.brokers[victim]?.drain();
        const leaders = (await states()).map((state) => state?.leader ?? -1);
        assert.ok(
          leaders.every((leader) => leader !== victim && leader >= 0),
          leaders.join(),
        );
        if (who === "another") assert.equal(await controller(), holder);
        else {
          await eventually(async () => {
            const now = await controller();
            return now !== victim && now >= 0 ? now : undefined;
          }, "another controller");
        }
      });
    }
  }

  it("does not wait for a successor where there is none", async () => {
    const order = [0, 1, 2];
    for (const id of order.slice(0, 2)) await cluster.brokers[id]?.drain();
    const began = performance.now();
    await cluster.brokers[2]?.drain();
    assert.ok(performance.now() - began < 3000);
  });

  it("ends also when all are told at once", async () => {
    const began = performance.now();
    await Promise.all(cluster.brokers.map((broker) => broker.drain()));
    assert.ok(performance.now() - began < 10_000);
  });
});
