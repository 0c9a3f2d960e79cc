import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import {
  clientQuotaName,
  type QuotaEntity,
  type QuotaLimits,
} from "../../../cluster/client-quota.ts";
import { API_VERSION, clientQuotas } from "../../../cluster/resources.ts";
import type { KubeApi } from "../../../kube/api.ts";
import { createKubeClient } from "../../../kube/client.ts";
import { InvalidError } from "../../../kube/errors.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { realScheduler } from "../../../lib/clock.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { seededRandom } from "../../../lib/random.ts";
import { type LocalApi, startLocalApi } from "../../../local/api/server.ts";

const NAMESPACE = "default";
const root = path.resolve(import.meta.dirname, "../../..");

describe("ClientQuota objects", () => {
  let api: KubeApi & { close(): void };
  let server: LocalApi;
  let directory: string;

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "forebay-quota-"));
    server = await startLocalApi({
      directory,
      ports: [0],
      host: "127.0.0.1",
      logger: silentLogger,
      scheduler: realScheduler,
      random: seededRandom(1),
    });
    api = createKubeClient({ server: server.url, scheduler: realScheduler });
    const text = await readFile(path.join(root, "crds/client-quotas.yaml"), "utf8");
    const kind = {
      group: "apiextensions.k8s.io",
      version: "v1",
      plural: "customresourcedefinitions",
      kind: "CustomResourceDefinition",
    };
    await api.apply(kind, "", parse(text) as KubeObject, "test");
  });
  after(async () => {
    api.close();
    await server.close();
    await rm(directory, { recursive: true });
  });

  let made = 0;
  const create = (entity: QuotaEntity, limits: QuotaLimits): Promise<KubeObject> =>
    api.create(clientQuotas, NAMESPACE, {
      apiVersion: API_VERSION,
      kind: "ClientQuota",
      metadata: { name: `q${made++}`, namespace: NAMESPACE },
      spec: { cluster: "c", entity, limits },
    });

  const taken: readonly [string, QuotaEntity, QuotaLimits][] = [
    ["of a user", { user: "a" }, { producerByteRate: 1, consumerByteRate: 2 ** 40 }],
    [
      "of any client id of a user",
      { user: "a", clientId: "<default>" },
      { requestPercentage: 0.5 },
    ],
    ["of an address", { ip: "192.0.2.1" }, { connectionCreationRate: 3 }],
  ];
  for (const [name, entity, limits] of taken) {
    it(`are taken: ${name}`, async () => {
      assert.deepEqual(((await create(entity, limits)) as { spec?: unknown }).spec, {
        cluster: "c",
        entity,
        limits,
      });
    });
  }

  const refused: readonly [string, QuotaEntity, QuotaLimits][] = [
    ["of nobody", {}, { producerByteRate: 1 }],
    ["of an address and a user", { ip: "192.0.2.1", user: "a" }, {}],
    ["of bytes of an address", { ip: "192.0.2.1" }, { producerByteRate: 1 }],
    ["of connections of a user", { user: "a" }, { connectionCreationRate: 1 }],
    ["of nothing", { user: "a" }, { producerByteRate: 0 }],
    ["of no time at all", { user: "a" }, { requestPercentage: 0 }],
    ["of half a byte", { user: "a" }, { consumerByteRate: 0.5 }],
    ["of an empty name", { user: "" }, { producerByteRate: 1 }],
  ];
  for (const [name, entity, limits] of refused) {
    it(`are refused: ${name}`, () => assert.rejects(create(entity, limits), InvalidError));
  }

  it("stay with their entity", async () => {
    const object = await api.create(clientQuotas, NAMESPACE, {
      apiVersion: API_VERSION,
      kind: "ClientQuota",
      metadata: { name: "kept", namespace: NAMESPACE },
      spec: { cluster: "c", entity: { user: "a" } },
    });
    const other = { ...object, spec: { ...object.spec, entity: { user: "b" } } };
    await assert.rejects(api.replace(clientQuotas, NAMESPACE, other), InvalidError);
  });

  it("have a name that is made of their entity", () => {
    const names = [{ user: "a" }, { clientId: "a" }, { user: "a", clientId: "a" }].map((entity) =>
      clientQuotaName("c", entity),
    );
    assert.equal(new Set(names).size, 3);
    assert.match(names[0] ?? "", /^c-quota-[0-9a-f]{16}$/);
  });
});
