import assert from "node:assert/strict";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import {
  type ClientQuota,
  DEFAULT_ENTITY,
  type QuotaEntity,
  type QuotaLimits,
} from "../../../../cluster/client-quota.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";

let uids = 0;
function quota(entity: QuotaEntity, limits: QuotaLimits, creationTimestamp = ""): ClientQuota {
  return {
    apiVersion: API_VERSION,
    kind: "ClientQuota",
    metadata: { name: `q${uids}`, uid: String(uids++), creationTimestamp },
    spec: { cluster: "c", entity, limits },
  };
}

describe("quota table", () => {
  /** From the nearest to the farthest (KIP-55). */
  const order: readonly QuotaEntity[] = [
    { user: "u", clientId: "c" },
    { user: "u", clientId: DEFAULT_ENTITY },
    { user: "u" },
    { user: DEFAULT_ENTITY, clientId: "c" },
    { user: DEFAULT_ENTITY, clientId: DEFAULT_ENTITY },
    { user: DEFAULT_ENTITY },
    { clientId: "c" },
    { clientId: DEFAULT_ENTITY },
  ];
  for (const [at, entity] of order.entries()) {
    it(`prefers ${JSON.stringify(entity)} to what is farther away`, () => {
      const table = new QuotaTable();
      for (const [value, one] of order.entries()) {
        if (value >= at) table.absorb(quota(one, { producerByteRate: value + 1 }));
      }
      const found = table.find("producerByteRate", { user: "u", clientId: "c" });
      assert.equal(found?.value, at + 1);
      assert.equal(table.find("consumerByteRate", { user: "u", clientId: "c" }), undefined);
    });
  }

  const sharing: readonly [string, QuotaEntity, boolean, boolean][] = [
    ["of a user and client id with nobody", { user: "u", clientId: DEFAULT_ENTITY }, false, false],
    ["of a user among its client ids", { user: "u" }, true, false],
    ["of any user among its client ids", { user: DEFAULT_ENTITY }, true, false],
    ["of a client id among its users", { clientId: DEFAULT_ENTITY }, false, true],
  ];
  for (const [name, entity, acrossClients, acrossUsers] of sharing) {
    it(`shares the quota ${name}`, () => {
      const table = new QuotaTable();
      table.absorb(quota(entity, { producerByteRate: 1 }));
      const sharers = (user: string, clientId: string): string | undefined =>
        table.find("producerByteRate", { user, clientId })?.sharers;
      assert.equal(sharers("u", "c") === sharers("u", "d"), acrossClients);
      if (entity.user !== "u") assert.equal(sharers("u", "c") === sharers("v", "c"), acrossUsers);
    });
  }

  it("has quotas of addresses, each by itself", () => {
    const table = new QuotaTable();
    table.absorb(quota({ ip: DEFAULT_ENTITY }, { connectionCreationRate: 5 }));
    table.absorb(quota({ ip: "192.0.2.1" }, { connectionCreationRate: 7 }));
    const field = "connectionCreationRate";
    assert.equal(table.findOfIp(field, "192.0.2.1")?.value, 7);
    assert.deepEqual(table.findOfIp(field, "192.0.2.2"), { sharers: "192.0.2.2", value: 5 });
  });

  it("goes by the oldest of several for one entity, and by the next when that is gone", () => {
    const table = new QuotaTable();
    const entity = { clientId: "c" };
    const old = quota(entity, { producerByteRate: 1 }, "2026-01-01T00:00:00Z");
    table.absorb(quota(entity, { producerByteRate: 2 }, "2026-01-02T00:00:00Z"));
    table.absorb(old);
    const value = (): number | undefined =>
      table.find("producerByteRate", { user: "u", clientId: "c" })?.value;
    assert.equal(value(), 1);
    table.absorb({ ...old, spec: { ...old.spec, limits: { producerByteRate: 3 } } });
    assert.equal(value(), 3);
    table.remove(old.metadata.uid ?? "");
    assert.equal(value(), 2);
    assert.equal(table.empty, false);
    assert.deepEqual([...table.entries()], [{ entity, limits: { producerByteRate: 2 } }]);
  });

  it("says when it changes, and when there is nothing in it", () => {
    const table = new QuotaTable();
    let changes = 0;
    const stop = table.onChange(() => changes++);
    const one = quota({ user: "u" }, { producerByteRate: 1 });
    table.absorb(one);
    table.remove(one.metadata.uid ?? "");
    table.remove("another");
    stop();
    table.absorb(one);
    assert.deepEqual([changes, table.empty], [2, false]);
  });
});
