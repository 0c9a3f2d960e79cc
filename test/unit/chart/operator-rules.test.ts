import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import {
  API_VERSION,
  brokerClusters,
  clientQuotas,
  CLUSTER_LABEL,
  topics,
  users,
} from "../../../cluster/resources.ts";
import type { KubeApi, Resource } from "../../../kube/api.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { seededRandom } from "../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../local/api/object-store.ts";
import { startOperator } from "../../../operator/operator.ts";
import { brokerRules } from "../../../operator/resources/rbac.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rules = parse(
  readFileSync(
    path.resolve(import.meta.dirname, "../../../charts/forebay/files/operator-rules.yaml"),
    "utf8",
  ),
) as readonly Rule[];

function allows(group: string, resource: string, verb: string): boolean {
  return rules.some(
    (rule) =>
      rule.apiGroups.includes(group) &&
      rule.resources.includes(resource) &&
      rule.verbs.includes(verb),
  );
}

const VERBS = {
  get: "get",
  list: "list",
  watch: "watch",
  create: "create",
  replace: "update",
  jsonPatch: "patch",
  apply: "patch",
  delete: "delete",
} as const;

/** The API with each call written down as `verb group/resource`. */
function recorded(kube: KubeApi, calls: Set<string>): KubeApi {
  return new Proxy(kube, {
    get: (target, method: keyof KubeApi) => {
      const call = target[method].bind(target) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        const { group, plural } = args[0] as Resource;
        const last = args.at(-1) as { readonly subresource?: string } | undefined;
        const part = last?.subresource === undefined ? "" : `/${last.subresource}`;
        calls.add(`${VERBS[method]} ${group}/${plural}${part}`);
        // What is not there yet is created by it.
        if (method === "apply") calls.add(`create ${group}/${plural}`);
        return call(...args);
      };
    },
  });
}

describe("rights of the operator", () => {
  it("hold all that brokers may do, or it could not make their Role", () => {
    for (const { apiGroups, resources, verbs } of brokerRules("c")) {
      for (const group of apiGroups) {
        for (const resource of resources) {
          for (const verb of verbs) {
            assert.ok(allows(group, resource, verb), `${verb} ${group}/${resource}`);
          }
        }
      }
    }
  });

  it("hold all that it does to make a cluster and a topic", async () => {
    const scheduler = new VirtualScheduler();
    const random = seededRandom(1);
    const store = new ObjectStore({ scheduler, random });
    const kube = createMemoryKubeApi({ store, scheduler });
    const calls = new Set<string>();
    const operator = startOperator({
      kube: recorded(kube, calls),
      namespace: "",
      scheduler,
      random,
      logger: silentLogger,
      brokerImage: "image",
    });
    const metadata = { name: "c", namespace: "default" };
    await scheduler.until(
      kube.create(brokerClusters, "default", {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata,
        spec: { brokers: 1, listeners: [{ name: "outside", port: 9094, type: "nodeport" }] },
      }),
    );
    await scheduler.until(
      kube.create(topics, "default", {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { ...metadata, labels: { [CLUSTER_LABEL]: "c" } },
        spec: { cluster: "c", topicName: "c", partitions: 1 },
      }),
    );
    for (const [resource, spec] of [
      [users, { cluster: "c" }],
      [clientQuotas, { cluster: "c", entity: { user: "u" } }],
    ] as const) {
      const { kind } = resource;
      const client: KubeObject & { readonly spec: unknown } = {
        apiVersion: API_VERSION,
        kind,
        metadata,
        spec,
      };
      await scheduler.until(kube.create<KubeObject>(resource, "default", client));
    }
    await scheduler.advance(20_000);
    const now = await scheduler.until(kube.get(brokerClusters, "default", "c"));
    const changed = { ...now, spec: { brokers: 1, listeners: [] } };
    await scheduler.until(kube.replace(brokerClusters, "default", changed));
    await scheduler.advance(20_000);
    operator.stop();
    for (const call of calls) {
      const [verb = "", name = ""] = call.split(" ");
      const [group = "", ...resource] = name.split("/");
      assert.ok(allows(group, resource.join("/"), verb), call);
    }
    for (const expected of [
      "patch apps/statefulsets",
      "patch rbac.authorization.k8s.io/roles",
      "update forebay.dev/brokerclusters/status",
      "update forebay.dev/users/status",
      "update forebay.dev/clientquotas/status",
      "create /events",
      "delete /services",
    ]) {
      assert.ok(calls.has(expected), `${expected} did not happen: ${[...calls].join(", ")}`);
    }
  });

  it("let it see no Secret and no node, and delete no volume", () => {
    for (const verb of Object.values(VERBS)) {
      assert.ok(!allows("", "secrets", verb));
      // They are asked for by the value readNodes.
      assert.ok(!allows("", "nodes", verb));
    }
    for (const kind of ["persistentvolumeclaims", "persistentvolumes"]) {
      assert.ok(!allows("", kind, "delete"));
    }
  });
});
