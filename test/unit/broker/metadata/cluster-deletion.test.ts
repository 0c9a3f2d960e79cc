import assert from "node:assert/strict";
import { watchClusterDeletion } from "../../../../broker/metadata/cluster-deletion.ts";
import { API_VERSION, brokerClusters } from "../../../../cluster/resources.ts";
import { ForbiddenError, ServerBusyError } from "../../../../kube/errors.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "default";

function world(finalizers: readonly string[] = []) {
  const scheduler = new VirtualScheduler();
  const store = new ObjectStore({ scheduler, random: seededRandom(1) });
  store.create(brokerClusters, NAMESPACE, {
    apiVersion: API_VERSION,
    kind: brokerClusters.kind,
    metadata: { name: "c", finalizers },
  });
  const faults: { next: Error | undefined } = { next: undefined };
  const kube = createMemoryKubeApi({
    store,
    scheduler,
    fault: () => (faults.next === undefined ? undefined : { before: faults.next }),
  });
  let told = 0;
  let refused = 0;
  const deletion = watchClusterDeletion({
    kube,
    namespace: NAMESPACE,
    clusterName: "c",
    scheduler,
    onDeleted: () => told++,
    onRefused: () => refused++,
  });
  return { scheduler, store, faults, deletion, told: () => told, refused: () => refused };
}

describe("cluster deletion", () => {
  it("is not seen while the cluster is there, nor while the API does not answer", async () => {
    const { scheduler, faults, told, deletion } = world();
    await scheduler.advance(5000);
    faults.next = new ServerBusyError(503, "ServiceUnavailable", "busy");
    await scheduler.advance(5000);
    assert.equal(told(), 0);
    deletion.stop();
  });

  it("is told once when the cluster is gone", async () => {
    const { scheduler, store, told } = world();
    await scheduler.advance(5000);
    store.delete(brokerClusters, NAMESPACE, "c");
    await scheduler.advance(5000);
    assert.equal(told(), 1);
  });

  it("is told when the cluster waits for a finalizer", async () => {
    const { scheduler, store, told } = world(["example.com/keep"]);
    store.delete(brokerClusters, NAMESPACE, "c");
    await scheduler.advance(2000);
    assert.equal(told(), 1);
  });

  it("is not what rights that are gone need mean, which is told apart", async () => {
    const { scheduler, faults, told, refused } = world();
    faults.next = new ForbiddenError(403, "Forbidden", "no");
    await scheduler.advance(5000);
    assert.equal(told(), 0);
    assert.equal(refused(), 1);
  });

  it("is not told after the stop", async () => {
    const { scheduler, store, told, deletion } = world();
    deletion.stop();
    store.delete(brokerClusters, NAMESPACE, "c");
    await scheduler.advance(5000);
    assert.equal(told(), 0);
  });
});
