import assert from "node:assert/strict";
import { ProtocolError } from "../../../../broker/errors.ts";
import { errorName } from "../../../../broker/protocol/error-codes.ts";
import { QuotaAdmin } from "../../../../broker/quotas/quota-admin.ts";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import type { QuotaLimits } from "../../../../cluster/client-quota.ts";
import { API_VERSION, clientQuotas } from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { NotFoundError, UnknownOutcomeError } from "../../../../kube/errors.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import {
  createMemoryKubeApi,
  type KubeCall,
  type KubeFault,
} from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const NAMESPACE = "default";
const entity = { clientId: "c" };

/** Two brokers of one cluster, each with its own view of the quotas. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly kube: KubeApi;
  readonly brokers: readonly { readonly table: QuotaTable; readonly admin: QuotaAdmin }[];

  constructor(fault: (call: KubeCall) => KubeFault | undefined = () => undefined) {
    const { scheduler } = this;
    const random = seededRandom(1);
    const store = new ObjectStore({ scheduler, random });
    this.kube = createMemoryKubeApi({ store, scheduler, fault });
    this.brokers = [0, 1].map(() => {
      const table = new QuotaTable();
      const admin = new QuotaAdmin({
        kube: this.kube,
        namespace: NAMESPACE,
        clusterName: "test",
        scheduler,
        random,
        logger: silentLogger,
        table,
      });
      return { table, admin };
    });
  }

  async start(): Promise<this> {
    for (const { admin } of this.brokers) admin.start();
    await this.scheduler.advance(100);
    return this;
  }
  stop(): void {
    for (const { admin } of this.brokers) admin.stop();
  }

  alter(broker: number, limits: QuotaLimits): Promise<string> {
    const { admin } = this.brokers[broker] ?? assert.fail();
    return admin
      .alter(entity, (present) => ({ ...present, ...limits }))
      .then(
        () => "done",
        (error: unknown) => {
          assert.ok(error instanceof ProtocolError, String(error));
          return errorName(error.errorCode);
        },
      );
  }
  limits(broker: number): QuotaLimits | undefined {
    return this.brokers[broker]?.table.object(entity)?.spec.limits;
  }
}

describe("quota admin", () => {
  let world: World | undefined;
  afterEach(() => world?.stop());

  it("makes an object for an entity, which all brokers then see", async () => {
    world = await new World().start();
    const { scheduler } = world;
    assert.equal(await scheduler.until(world.alter(0, { producerByteRate: 5 })), "done");
    assert.deepEqual(world.limits(0), { producerByteRate: 5 });
    await scheduler.advance(10);
    assert.deepEqual(world.limits(1), { producerByteRate: 5 });
  });

  it("loses none of the changes of several brokers at the same time", async () => {
    world = await new World().start();
    const { scheduler } = world;
    const changes = [
      world.alter(0, { producerByteRate: 1 }),
      world.alter(1, { consumerByteRate: 2 }),
      world.alter(0, { requestPercentage: 3 }),
    ];
    assert.deepEqual(await scheduler.until(Promise.all(changes)), ["done", "done", "done"]);
    await scheduler.advance(10);
    const limits = { producerByteRate: 1, consumerByteRate: 2, requestPercentage: 3 };
    assert.deepEqual([world.limits(0), world.limits(1)], [limits, limits]);
    const { items } = await scheduler.until(world.kube.list(clientQuotas, NAMESPACE));
    assert.equal(items.length, 1);
  });

  it("removes the object with its last limit", async () => {
    world = await new World().start();
    const { scheduler } = world;
    await scheduler.until(world.alter(0, { producerByteRate: 5 }));
    await scheduler.until(world.brokers[1]?.admin.alter(entity, () => ({})) ?? assert.fail());
    const { items } = await scheduler.until(world.kube.list(clientQuotas, NAMESPACE));
    assert.deepEqual([items.length, world.limits(1)], [0, undefined]);
  });

  it("changes the object that somebody has made under another name", async () => {
    world = await new World().start();
    const { scheduler, kube } = world;
    await scheduler.until(
      kube.create(clientQuotas, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "ClientQuota",
        metadata: { name: "mine", namespace: NAMESPACE },
        spec: { cluster: "test", entity, limits: { producerByteRate: 1 } },
      }),
    );
    await scheduler.advance(10);
    await scheduler.until(world.alter(0, { consumerByteRate: 2 }));
    const { items } = await scheduler.until(kube.list(clientQuotas, NAMESPACE));
    assert.deepEqual(
      items.map(({ metadata, spec }) => [metadata.name, spec.limits]),
      [["mine", { producerByteRate: 1, consumerByteRate: 2 }]],
    );
  });

  it("does not look at the quotas of other clusters", async () => {
    world = await new World().start();
    await world.scheduler.until(
      world.kube.create(clientQuotas, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "ClientQuota",
        metadata: { name: "other", namespace: NAMESPACE },
        spec: { cluster: "other", entity, limits: { producerByteRate: 1 } },
      }),
    );
    await world.scheduler.advance(10);
    assert.equal(world.limits(0), undefined);
  });

  const lost = new UnknownOutcomeError("the connection was lost");
  for (const [name, fault] of [
    ["took effect", { after: lost }],
    ["did not take effect", { before: lost }],
  ] as const) {
    it(`goes on after a write whose outcome is unknown and that ${name}`, async () => {
      let left = 1;
      world = await new World((call) =>
        call.verb === "create" && left-- > 0 ? fault : undefined,
      ).start();
      assert.equal(await world.scheduler.until(world.alter(0, { producerByteRate: 5 })), "done");
      assert.deepEqual(world.limits(0), { producerByteRate: 5 });
    });
  }

  it("refuses where the API does not know of quotas", async () => {
    const unknown = new NotFoundError(404, "NotFound", "the server could not find the resource");
    world = await new World(() => ({ before: unknown })).start();
    assert.equal(
      await world.scheduler.until(world.alter(0, { producerByteRate: 5 })),
      "REQUEST_TIMED_OUT",
    );
  });
});
