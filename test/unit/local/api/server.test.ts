import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createKubeClient } from "../../../../kube/client.ts";
import { realScheduler } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { startLocalApi } from "../../../../local/api/server.ts";
import type { LocalApi } from "../../../../local/api/server.ts";
import { kubeApiContract } from "../../../contract/kube-api.contract.ts";

function start(directory: string): Promise<LocalApi> {
  return startLocalApi({
    directory,
    ports: [0],
    host: "127.0.0.1",
    logger: silentLogger,
    scheduler: realScheduler,
    random: seededRandom(1),
  });
}

kubeApiContract("the local server through the HTTP client", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "forebay-kube-"));
  const server = await start(directory);
  const client = createKubeClient({ server: server.url, scheduler: realScheduler });
  return {
    api: client,
    namespace: "default",
    forgetHistory: () => {
      server.store.compactHistory();
    },
    async close() {
      client.close();
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
});

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "topics.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "topics", kind: "Topic", shortNames: ["tp"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.partitions", statusReplicasPath: ".status.partitions" },
        },
        additionalPrinterColumns: [
          { name: "Partitions", type: "integer", jsonPath: ".spec.partitions" },
          {
            name: "Ready",
            type: "string",
            jsonPath: '.status.conditions[?(@.type=="Ready")].status',
          },
        ],
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                properties: {
                  partitions: { type: "integer", minimum: 1, default: 3 },
                  cleanup: { type: "string", enum: ["delete", "compact"] },
                },
              },
              status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            },
          },
        },
      },
    ],
  },
};

type Json = Record<string, unknown>;
const topics = "/apis/example.com/v1/namespaces/default/topics";

describe("local Kubernetes API over HTTP", () => {
  let directory: string;
  let server: LocalApi;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "forebay-kube-"));
    server = await start(directory);
  });
  afterEach(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  async function call(
    method: string,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ code: number; body: Json }> {
    const response = await fetch(server.url + url, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { code: response.status, body: (await response.json()) as Json };
  }
  const define = (): Promise<{ code: number; body: Json }> =>
    call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
  const topic = (spec: Json): Json => ({
    apiVersion: "example.com/v1",
    kind: "Topic",
    metadata: { name: "t" },
    spec,
  });

  it("serves a new custom kind at once and tells of it in discovery", async () => {
    const before = await call("GET", topics);
    assert.equal(before.code, 404);
    const created = await define();
    assert.equal(created.code, 201);
    assert.match(JSON.stringify(created.body["status"]), /"type":"Established","status":"True"/);
    const list = await call("GET", "/apis/example.com/v1");
    assert.match(JSON.stringify(list.body), /"name":"topics\/scale"/);
    assert.match(JSON.stringify((await call("GET", "/apis")).body), /"name":"example.com"/);
  });

  it("fills in defaults and refuses what the schema refuses, with causes", async () => {
    await define();
    const good = await call("POST", topics, topic({ cleanup: "delete" }));
    assert.deepEqual(good.body["spec"], { cleanup: "delete", partitions: 3 });
    const bad = await call("POST", topics, topic({ cleanup: "never", partitions: 0 }));
    assert.equal(bad.code, 422);
    assert.equal(bad.body["reason"], "Invalid");
    const { causes } = bad.body["details"] as { causes: { field: string }[] };
    // "<nil>" says that the rules were not looked at.
    const fields = causes.map(({ field }) => field).sort();
    assert.deepEqual(fields, ["<nil>", "spec.cleanup", "spec.partitions"]);
  });

  it("prunes unknown fields, and names them when validation is strict", async () => {
    await define();
    const strict = await call("POST", `${topics}?fieldValidation=Strict`, topic({ partitons: 1 }));
    assert.equal(strict.code, 400);
    assert.match(
      String(strict.body["message"]),
      /strict decoding error: unknown field "spec.partitons"/,
    );
    const pruned = await call("POST", topics, topic({ partitons: 1 }));
    assert.deepEqual(pruned.body["spec"], { partitions: 3 });
  });

  it("prints the columns of a custom kind as a Table", async () => {
    await define();
    await call("POST", topics, topic({ partitions: 5 }));
    const status = {
      conditions: [
        { type: "Other", status: "False" },
        { type: "Ready", status: "True" },
      ],
    };
    await call(
      "PATCH",
      `${topics}/t/status`,
      { status },
      { "content-type": "application/merge-patch+json" },
    );
    const table = await call("GET", topics, undefined, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    });
    assert.equal(table.body["kind"], "Table");
    const rows = table.body["rows"] as { cells: unknown[] }[];
    assert.deepEqual(rows[0]?.cells, ["t", 5, "True"]);
  });

  it("scales through the scale subresource", async () => {
    await define();
    await call("POST", topics, topic({ partitions: 5 }));
    const headers = { "content-type": "application/merge-patch+json" };
    const scaled = await call("PATCH", `${topics}/t/scale`, { spec: { replicas: 9 } }, headers);
    assert.deepEqual(scaled.body["spec"], { replicas: 9 });
    const { body } = await call("GET", `${topics}/t`);
    assert.deepEqual(body["spec"], { partitions: 9 });
    assert.equal((body["metadata"] as Json)["generation"], 2);
  });

  it("stores nothing on a dry run", async () => {
    await define();
    const dry = await call("POST", `${topics}?dryRun=All`, topic({}));
    assert.equal(dry.code, 201);
    assert.equal((await call("GET", `${topics}/t`)).code, 404);
  });

  it("refuses objects in a namespace that is not there, and empties one that is deleted", async () => {
    const url = "/api/v1/namespaces/shop/configmaps";
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } };
    const refused = await call("POST", url, configMap);
    assert.equal(refused.body["message"], 'namespaces "shop" not found');
    await call("POST", "/api/v1/namespaces", { metadata: { name: "shop" } });
    assert.equal((await call("POST", url, configMap)).code, 201);
    await call("DELETE", "/api/v1/namespaces/shop");
    await new Promise<void>((resolve) => realScheduler.after(0, resolve));
    assert.deepEqual((await call("GET", url)).body["items"], []);
  });

  it("pages consistently while objects are added", async () => {
    const url = "/api/v1/namespaces/default/configmaps";
    const add = (name: string): Promise<unknown> => call("POST", url, { metadata: { name } });
    for (const name of ["a", "b", "c"]) await add(name);
    const first = await call("GET", `${url}?limit=2`);
    const token = String((first.body["metadata"] as Json)["continue"]);
    await add("bb");
    const second = await call("GET", `${url}?limit=2&continue=${token}`);
    const names = [first, second].flatMap(({ body }) =>
      (body["items"] as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name),
    );
    assert.deepEqual(names, ["a", "b", "c"]);
  });

  it("keeps all answered writes over a restart, and cuts a torn last line", async () => {
    await define();
    await call("POST", topics, topic({ partitions: 5 }));
    const { body } = await call("PUT", `${topics}/t`, topic({ partitions: 6 }));
    await server.close();
    await appendFile(path.join(directory, "journal-0"), '00000000 {"r":"/configmaps","v":9');
    server = await start(directory);
    const after = await call("GET", `${topics}/t`);
    assert.deepEqual(after.body, body);
    const next = await call("PUT", `${topics}/t`, topic({ partitions: 7 }));
    const version = (answer: Json): number =>
      Number((answer["metadata"] as Json)["resourceVersion"]);
    assert.ok(version(next.body) > version(body));
    await server.close();
    server = await start(directory);
    assert.deepEqual((await call("GET", `${topics}/t`)).body, next.body);
  });
});
