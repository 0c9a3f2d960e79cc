import assert from "node:assert/strict";
import { ClientQuotas } from "../../../../broker/quotas/client-quotas.ts";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import {
  DEFAULT_ENTITY,
  type QuotaEntity,
  type QuotaLimits,
} from "../../../../cluster/client-quota.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";

const client = { user: "ANONYMOUS", clientId: "c" };
const BURST_SECONDS = 10;

function quotasOf(
  entity: QuotaEntity,
  limits: QuotaLimits,
): { quotas: ClientQuotas; table: QuotaTable } {
  const table = new QuotaTable();
  set(table, entity, limits);
  return { quotas: new ClientQuotas(table, BURST_SECONDS), table };
}

function set(table: QuotaTable, entity: QuotaEntity, limits: QuotaLimits): void {
  table.absorb({
    apiVersion: API_VERSION,
    kind: "ClientQuota",
    metadata: { name: "q", uid: JSON.stringify(entity) },
    spec: { cluster: "c", entity, limits },
  });
}

describe("client quotas", () => {
  it("lets a client have a burst, and then its rate", () => {
    const { quotas } = quotasOf({ clientId: "c" }, { producerByteRate: 100 });
    assert.equal(quotas.produced(client, 1000, 0), 0);
    assert.equal(quotas.produced(client, 50, 0), 500);
    assert.equal(quotas.produced(client, 0, 200), 300);
    assert.equal(quotas.produced(client, 0, 500), 0);
    assert.equal(quotas.produced(client, 100, 500), 1000);
  });

  it("does not save up more than a burst", () => {
    const { quotas } = quotasOf({ clientId: "c" }, { producerByteRate: 100 });
    assert.equal(quotas.produced(client, 1, 0), 0);
    assert.equal(quotas.produced(client, 1100, 1_000_000), 1000);
  });

  it("counts what is produced and what is fetched apart, and clients as well", () => {
    const { quotas } = quotasOf(
      { clientId: DEFAULT_ENTITY },
      { producerByteRate: 100, consumerByteRate: 100 },
    );
    assert.equal(quotas.produced(client, 1100, 0), 1000);
    assert.equal(quotas.fetchDebt(client, 0), 0);
    assert.equal(quotas.fetched(client, 1050, 0), 500);
    assert.equal(quotas.fetchDebt(client, 0), 500);
    assert.equal(quotas.produced({ ...client, clientId: "d" }, 1000, 0), 0);
  });

  it("goes by another quota from the moment on when there is one", () => {
    const { quotas, table } = quotasOf({ clientId: "c" }, { producerByteRate: 100 });
    assert.equal(quotas.produced(client, 2000, 0), 10_000);
    set(table, { clientId: "c" }, { producerByteRate: 1000 });
    assert.equal(quotas.produced(client, 0, 0), 1000);
    set(table, { clientId: "c" }, {});
    assert.equal(quotas.produced(client, 1e9, 0), 0);
  });

  it("tells nobody to wait for longer than an hour", () => {
    const { quotas } = quotasOf({ clientId: "c" }, { producerByteRate: 1 });
    assert.equal(quotas.produced(client, 1e9, 0), 3_600_000);
  });

  it("bounds one answer to a fetch by what its client may have at once", () => {
    const { quotas } = quotasOf({ clientId: "c" }, { consumerByteRate: 100 });
    assert.equal(quotas.fetchLimit(client), 1000);
    assert.equal(quotas.fetchLimit({ ...client, clientId: "d" }), Infinity);
  });

  it("counts time of the event loop in percent, and waits a second at most", () => {
    const { quotas } = quotasOf({ clientId: "c" }, { requestPercentage: 1 });
    // 1 % is 10 ms a second: a burst of 100 ms.
    assert.equal(quotas.requested(client, 100, 0), 0);
    assert.equal(quotas.requested(client, 5, 0), 500);
    assert.equal(quotas.requested(client, 1000, 0), 1000);
  });

  it("counts connections of an address", () => {
    const { quotas } = quotasOf({ ip: DEFAULT_ENTITY }, { connectionCreationRate: 1 });
    const waits = Array.from({ length: 12 }, () => quotas.connected("192.0.2.1", 0));
    assert.deepEqual(waits.slice(-3), [0, 1000, 2000]);
    assert.equal(quotas.connected("192.0.2.2", 0), 0);
  });

  it("has nothing to do while nobody has a quota", () => {
    const quotas = new ClientQuotas(new QuotaTable(), BURST_SECONDS);
    assert.equal(quotas.active, false);
    assert.equal(quotas.produced(client, 1e9, 0), 0);
  });

  it("remembers the clients that were there lately, a bounded number", () => {
    const { quotas } = quotasOf({ clientId: DEFAULT_ENTITY }, { producerByteRate: 1 });
    assert.equal(quotas.produced(client, 20, 0), 10_000);
    for (let id = 0; id < 9_999; id++) quotas.produced({ ...client, clientId: String(id) }, 1, 0);
    assert.equal(quotas.produced(client, 0, 0), 10_000);
    for (let id = 0; id < 10_000; id++) quotas.produced({ ...client, clientId: String(id) }, 1, 0);
    assert.equal(quotas.produced(client, 0, 0), 0, "forgotten");
  });
});
