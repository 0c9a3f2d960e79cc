import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import type { BrokerCluster } from "../../../../cluster/broker-cluster.ts";
import { brokerClusterShape } from "../../../../cluster/broker-cluster-shape.ts";
import { createKubeClient } from "../../../../kube/client.ts";
import type { KubeObject } from "../../../../kube/objects.ts";
import { realScheduler } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { startLocalApi, type LocalApi } from "../../../../local/api/server.ts";
import { admissionContract } from "../../../contract/admission.contract.ts";

const crds = path.resolve(import.meta.dirname, "../../../../crds");
const examples = path.resolve(import.meta.dirname, "../../../../examples");
const definitions = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
};

describe("local Kubernetes API with our definitions", () => {
  let directory: string;
  let server: LocalApi;
  let client: ReturnType<typeof createKubeClient>;

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "forebay-admission-"));
    server = await startLocalApi({
      directory,
      ports: [0],
      host: "127.0.0.1",
      logger: silentLogger,
      scheduler: realScheduler,
      random: seededRandom(1),
    });
    client = createKubeClient({ server: server.url, scheduler: realScheduler });
    for (const file of readdirSync(crds)) {
      const definition = parse(readFileSync(path.join(crds, file), "utf8")) as KubeObject;
      await client.create(definitions, "", definition);
    }
  });
  after(async () => {
    client.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  for (const file of readdirSync(examples)) {
    it(`lets in examples/${file}, and the operator can make it`, async () => {
      const object = parse(readFileSync(path.join(examples, file), "utf8")) as KubeObject;
      const plural = object.kind === "Topic" ? "topics" : "brokerclusters";
      const resource = { group: "forebay.dev", version: "v1alpha1", plural, kind: object.kind };
      const made = await client.create(resource, "default", object);
      await client.delete(resource, "default", object.metadata.name);
      if (object.kind !== "BrokerCluster") return;
      assert.deepEqual(
        Object.entries(brokerClusterShape(made as BrokerCluster)).filter(
          ([name]) => name === "reason",
        ),
        [],
      );
    });
  }

  admissionContract("the local server", () =>
    Promise.resolve({ api: client, namespace: "default", exact: true }),
  );
});
