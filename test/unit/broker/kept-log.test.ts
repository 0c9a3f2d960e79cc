import assert from "node:assert/strict";
import { leadershipShards, partitionSlices, topics } from "../../../cluster/resources.ts";
import type { KubeApi, Resource } from "../../../kube/api.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { realScheduler, sleep } from "../../../lib/clock.ts";
import { type InProcessCluster, startInProcessCluster } from "../../support/in-process-cluster.ts";
import { eventually } from "../../support/local-cluster.ts";
import { recordedSlices } from "../../support/recorded-slices.ts";

const NAMESPACE = "default";
const BASE_PORT = 21_760;
const LEFT = 2;
/** Longer than a broker waits between two looks at what is recorded. */
const A_WHILE_MS = 2500;

describe("a log that is not wanted here any more", () => {
  let cluster: InProcessCluster;
  /** What the API tells of objects when it is asked for all. */
  let told: <T extends KubeObject>(resource: Resource<T>, object: T) => T;

  beforeEach(async () => {
    told = (_resource, object) => object;
    cluster = await startInProcessCluster({
      brokers: 3,
      basePort: BASE_PORT,
      kubeOf: (_id, kube): KubeApi => ({
        ...bound(kube),
        list: async (resource, namespace, options) => {
          const found = await kube.list(resource, namespace, options);
          return { ...found, items: found.items.map((object) => told(resource, object)) };
        },
      }),
    });
    await cluster.kube.create(topics, NAMESPACE, {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: "orders", namespace: NAMESPACE },
      spec: { cluster: "test", partitions: 1 },
    });
    await eventually(async () => {
      const [slice] = await recordedSlices(cluster.kube, NAMESPACE);
      return slice?.states[0]?.isr.length === 3 && logs() === 1 ? slice : undefined;
    }, "all in sync");
  });
  afterEach(() => cluster.stop());

  function logs(): number {
    return [...(cluster.brokers[LEFT]?.logs?.logs ?? [])].length;
  }

  async function moveAway(): Promise<void> {
    const slice = await cluster.kube.get(partitionSlices, NAMESPACE, "orders-000");
    const partitions = [{ replicas: [0, 1] }];
    await cluster.kube.replace(partitionSlices, NAMESPACE, {
      ...slice,
      spec: { ...slice.spec, partitions },
    });
  }

  it("stays as long as its broker is recorded as in sync, whatever the placement says", async () => {
    told = (resource, object) => {
      if (resource.plural !== leadershipShards.plural) return object;
      const text = JSON.stringify(object).replace(/isr [0-9,]+/g, "isr 0,1,2");
      return JSON.parse(text) as typeof object;
    };
    await moveAway();
    await sleep(realScheduler, A_WHILE_MS);
    assert.equal(logs(), 1);
    told = (_resource, object) => object;
    await eventually(() => Promise.resolve(logs() === 0 ? true : undefined), "log deleted");
  });

  it("stays when its slice alone is gone, and goes with its topic", async () => {
    await cluster.kube.delete(partitionSlices, NAMESPACE, "orders-000");
    await sleep(realScheduler, A_WHILE_MS);
    // The operator, or what does its work here, has made the slice again.
    assert.equal(logs(), 1);
    await cluster.kube.delete(topics, NAMESPACE, "orders");
    await eventually(() => Promise.resolve(logs() === 0 ? true : undefined), "log deleted");
  });
});

function bound(kube: KubeApi): KubeApi {
  return {
    get: (...args) => kube.get(...args),
    list: (...args) => kube.list(...args),
    watch: (...args) => kube.watch(...args),
    create: (...args) => kube.create(...args),
    replace: (...args) => kube.replace(...args),
    jsonPatch: (...args) => kube.jsonPatch(...args),
    apply: (...args) => kube.apply(...args),
    delete: (...args) => kube.delete(...args),
  };
}
