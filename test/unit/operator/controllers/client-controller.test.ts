import assert from "node:assert/strict";
import type { ClientQuota } from "../../../../cluster/client-quota.ts";
import { API_VERSION, brokerClusters, clientQuotas, users } from "../../../../cluster/resources.ts";
import type { User } from "../../../../cluster/user.ts";
import type { Resource } from "../../../../kube/api.ts";
import type { KubeObject } from "../../../../kube/objects.ts";
import { MINUTE } from "../../../../lib/units.ts";
import { CLUSTER, NAMESPACE, OperatorWorld } from "../../../support/operator-world.ts";

const LIMITS = { producerByteRate: 1000 };

describe("client controller", () => {
  let world: OperatorWorld;
  beforeEach(() => {
    world = new OperatorWorld();
  });
  afterEach(() => {
    world.stop();
  });

  async function make<T extends User | ClientQuota>(
    resource: Resource<T>,
    name: string,
    spec: T["spec"],
  ): Promise<void> {
    const metadata = { name, namespace: NAMESPACE };
    const object: KubeObject & { readonly spec: unknown } = {
      apiVersion: API_VERSION,
      kind: resource.kind,
      metadata,
      spec,
    };
    await world.do(world.kube.create<KubeObject>(resource, NAMESPACE, object));
    await world.scheduler.advance(2000);
  }

  /** Conditions that are True with their reasons, when the newest spec was observed. */
  function told(resource: Resource<User | ClientQuota>, name: string): string {
    const found = world.all<User | ClientQuota>(resource).find((one) => one.metadata.name === name);
    const { conditions = [], observedGeneration } = found?.status ?? {};
    assert.equal(observedGeneration, found?.metadata.generation);
    assert.equal(conditions.length, 3);
    return conditions
      .filter(({ status }) => status === "True")
      .map(({ type, reason }) => `${type} ${reason}`)
      .join();
  }

  const makeCluster = (): Promise<unknown> =>
    world.create("BrokerCluster", CLUSTER, { brokers: 1, storage: { size: "1Gi" } });

  it("says that a User keeps nobody out, so that nobody waits for it in vain", async () => {
    await makeCluster();
    await make(users, "alice", { cluster: CLUSTER });
    assert.equal(told(users, "alice"), "Stalled NotSupported");
  });

  it("says which of two quotas of an entity counts, and heals when that one goes", async () => {
    await makeCluster();
    const spec = { cluster: CLUSTER, entity: { clientId: "a" }, limits: LIMITS };
    await make(clientQuotas, "first", spec);
    await make(clientQuotas, "second", spec);
    await make(clientQuotas, "other", { cluster: CLUSTER, entity: { clientId: "b" } });
    assert.equal(told(clientQuotas, "first"), "Ready InForce");
    assert.equal(told(clientQuotas, "second"), "Stalled Superseded");
    assert.equal(told(clientQuotas, "other"), "Ready Unlimited");
    await world.delete(clientQuotas, "first");
    await world.scheduler.advance(2000);
    assert.equal(told(clientQuotas, "second"), "Ready InForce");
  });

  it("follows the cluster that comes and goes", async () => {
    await make(users, "alice", { cluster: CLUSTER });
    await make(clientQuotas, "quota", {
      cluster: CLUSTER,
      entity: { user: "alice" },
      limits: LIMITS,
    });
    assert.equal(told(users, "alice"), "Stalled ClusterNotFound");
    assert.equal(told(clientQuotas, "quota"), "Stalled ClusterNotFound");
    await makeCluster();
    await world.scheduler.advance(2000);
    assert.equal(told(clientQuotas, "quota"), "Ready InForce");
    await world.delete(brokerClusters, CLUSTER);
    await world.scheduler.advance(2000);
    assert.equal(told(clientQuotas, "quota"), "Stalled ClusterNotFound");
  });

  it("writes nothing once it has told", async () => {
    await makeCluster();
    await make(users, "alice", { cluster: CLUSTER });
    await make(clientQuotas, "quota", { cluster: CLUSTER, entity: { ip: "<default>" } });
    await world.until(() => world.isReady(), "ready");
    world.writes.length = 0;
    await world.scheduler.advance(30 * MINUTE);
    assert.deepEqual(world.writes, []);
  });

  it("leaves the rest of the operator its work when its kinds are not there yet", async () => {
    world.stop();
    const missing = new OperatorWorld({ missing: [users.kind, clientQuotas.kind] });
    try {
      await missing.create("BrokerCluster", CLUSTER, { brokers: 3 });
      await missing.create("Topic", "orders", { cluster: CLUSTER, partitions: 6 });
      await missing.until(() => missing.isReady(), "ready");
    } finally {
      missing.stop();
    }
  });
});
