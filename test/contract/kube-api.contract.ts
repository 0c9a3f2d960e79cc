import assert from "node:assert/strict";
import type { KubeApi, Resource, WatchEvent, WriteOptions } from "../../kube/api.ts";
import {
  AlreadyExistsError,
  ConflictError,
  GoneError,
  InvalidError,
  NotFoundError,
  ServerBusyError,
} from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { changeObject } from "../support/change-object.ts";

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}
interface Pdb extends KubeObject {
  readonly spec?: { readonly maxUnavailable?: number; readonly minAvailable?: number };
  readonly status?: { readonly currentHealthy?: number };
}

const configMaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
};
const budgets: Resource<Pdb> = {
  group: "policy",
  version: "v1",
  plural: "poddisruptionbudgets",
  kind: "PodDisruptionBudget",
};

export interface KubeApiUnderTest {
  readonly api: KubeApi;
  /** A namespace that exists and is empty. */
  readonly namespace: string;
  /** Drops the watch history, so that older versions are Gone. */
  readonly forgetHistory?: () => void;
  /** Where that cannot be asked for: a kind that the server has come to know long after its first version. */
  readonly lateResource?: Resource;
  close(): Promise<void>;
}

/** What every KubeApi promises; run on the one in memory, on the HTTP client, and on a real API server. */
export function kubeApiContract(name: string, open: () => Promise<KubeApiUnderTest>): void {
  describe(`Kubernetes API: ${name}`, () => {
    let under: KubeApiUnderTest;
    let api: KubeApi;
    let namespace: string;

    beforeEach(async () => {
      under = await open();
      ({ api, namespace } = under);
    });
    afterEach(async () => {
      await under.close();
    });

    function configMap(objectName: string, data: Record<string, string> = {}): ConfigMap {
      return {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: objectName, namespace },
        data,
      };
    }

    it("gives a new object a uid, a version and a creation time", async () => {
      const created = await api.create(configMaps, namespace, configMap("a", { x: "1" }));
      assert.match(created.metadata.uid ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-/);
      assert.ok(created.metadata.resourceVersion);
      assert.match(created.metadata.creationTimestamp ?? "", /^\d{4}-.*Z$/);
      const read = await api.get(configMaps, namespace, "a");
      assert.deepEqual(read.data, { x: "1" });
      assert.equal(read.metadata.resourceVersion, created.metadata.resourceVersion);
    });

    it("refuses a second object of the same name", async () => {
      await api.create(configMaps, namespace, configMap("a"));
      await assert.rejects(api.create(configMaps, namespace, configMap("a")), AlreadyExistsError);
    });

    it("refuses a name that is not a DNS subdomain", async () => {
      await assert.rejects(api.create(configMaps, namespace, configMap("Not_Valid")), InvalidError);
    });

    it("answers NotFound for what is not there", async () => {
      await assert.rejects(api.get(configMaps, namespace, "none"), NotFoundError);
      await assert.rejects(api.replace(configMaps, namespace, configMap("none")), NotFoundError);
      await assert.rejects(api.delete(configMaps, namespace, "none"), NotFoundError);
    });

    it("replaces only the version that was read", async () => {
      const first = await api.create(configMaps, namespace, configMap("a", { x: "1" }));
      const second = await api.replace(configMaps, namespace, { ...first, data: { x: "2" } });
      assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);
      await assert.rejects(
        api.replace(configMaps, namespace, { ...first, data: { x: "3" } }),
        ConflictError,
      );
      assert.deepEqual((await api.get(configMaps, namespace, "a")).data, { x: "2" });
    });

    it("keeps status out of writes of the object, and the spec out of writes of the status", async () => {
      const object: Pdb = {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name: "b", namespace },
        spec: { maxUnavailable: 1 },
      };
      // Where a controller writes the status as well, another version may have come between.
      const write = (change: (now: Pdb) => Pdb, options?: WriteOptions): Promise<Pdb> =>
        changeObject(api, budgets, namespace, "b", change, options);
      const created = await api.create(budgets, namespace, object);
      assert.equal(created.metadata.generation, 1);
      const changed = await write((now) => ({
        ...now,
        spec: { maxUnavailable: 2 },
        status: { currentHealthy: 9 },
      }));
      assert.equal(changed.metadata.generation, 2);
      assert.notEqual(changed.status?.currentHealthy, 9);
      const reported = await write(
        (now) => ({
          ...now,
          spec: { maxUnavailable: 7 },
          status: { ...now.status, currentHealthy: 3 },
        }),
        { subresource: "status" },
      );
      assert.equal(reported.status?.currentHealthy, 3);
      assert.equal(reported.spec?.maxUnavailable, 2);
      assert.equal(reported.metadata.generation, 2);
    });

    it("applies a JSON Patch whose tests hold, and refuses one whose tests fail", async () => {
      await api.create(configMaps, namespace, configMap("a", { x: "1" }));
      const patched = await api.jsonPatch(configMaps, namespace, "a", [
        { op: "test", path: "/data/x", value: "1" },
        { op: "replace", path: "/data/x", value: "2" },
        { op: "add", path: "/data/y", value: "3" },
      ]);
      assert.deepEqual(patched.data, { x: "2", y: "3" });
      await assert.rejects(
        api.jsonPatch(configMaps, namespace, "a", [
          { op: "test", path: "/data/x", value: "1" },
          { op: "remove", path: "/data/x" },
        ]),
        InvalidError,
      );
      assert.deepEqual((await api.get(configMaps, namespace, "a")).data, { x: "2", y: "3" });
    });

    it("removes by apply what its manager no longer sets, and leaves the rest", async () => {
      await api.apply(configMaps, namespace, configMap("a", { mine: "1", also: "2" }), "one");
      await api.apply(configMaps, namespace, configMap("a", { theirs: "3" }), "two");
      const after = await api.apply(configMaps, namespace, configMap("a", { mine: "4" }), "one");
      assert.deepEqual(after.data, { mine: "4", theirs: "3" });
    });

    it("does not change the version when an apply changes nothing", async () => {
      const first = await api.apply(configMaps, namespace, configMap("a", { x: "1" }), "one");
      const again = await api.apply(configMaps, namespace, configMap("a", { x: "1" }), "one");
      assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
    });

    it("lists by label, and all pages", async () => {
      for (let i = 0; i < 5; i++) {
        const object = configMap(`n${String(i)}`);
        const labels = { parity: i % 2 === 0 ? "even" : "odd" };
        await api.create(configMaps, namespace, {
          ...object,
          metadata: { ...object.metadata, labels },
        });
      }
      const even = await api.list(configMaps, namespace, {
        labelSelector: "parity=even",
        limit: 2,
      });
      assert.deepEqual(
        even.items.map((item) => item.metadata.name),
        ["n0", "n2", "n4"],
      );
      assert.ok(Number(even.resourceVersion) > 0);
    });

    it("deletes only when the preconditions hold", async () => {
      const { metadata } = await api.create(configMaps, namespace, configMap("a"));
      await assert.rejects(
        api.delete(configMaps, namespace, "a", { uid: "00000000-0000-4000-8000-000000000000" }),
        ConflictError,
      );
      await api.delete(configMaps, namespace, "a", { uid: metadata.uid ?? "" });
      await assert.rejects(api.get(configMaps, namespace, "a"), NotFoundError);
    });

    it("keeps a deleted object until its finalizers are gone", async () => {
      const object = configMap("a");
      await api.create(configMaps, namespace, {
        ...object,
        metadata: { ...object.metadata, finalizers: ["example.com/hold"] },
      });
      await api.delete(configMaps, namespace, "a");
      const marked = await api.get(configMaps, namespace, "a");
      assert.ok(marked.metadata.deletionTimestamp);
      await api.replace(configMaps, namespace, {
        ...marked,
        metadata: { ...marked.metadata, finalizers: [] },
      });
      await assert.rejects(api.get(configMaps, namespace, "a"), NotFoundError);
    });

    it("deletes what the deleted object owned", async () => {
      const owner = await api.create(configMaps, namespace, configMap("owner"));
      const uid = owner.metadata.uid ?? "";
      const owned = configMap("owned");
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid };
      const watch = follow(api, namespace, owner.metadata.resourceVersion ?? "");
      await api.create(configMaps, namespace, {
        ...owned,
        metadata: { ...owned.metadata, ownerReferences: [reference] },
      });
      await api.delete(configMaps, namespace, "owner");
      await watch.until((seen) => seen.includes("DELETED owned"));
      watch.close();
    });

    it("delivers every change after a version, in order, and ends when asked", async () => {
      const start = (await api.list(configMaps, namespace)).resourceVersion;
      const a = await api.create(configMaps, namespace, configMap("a", { x: "1" }));
      await api.replace(configMaps, namespace, { ...a, data: { x: "2" } });
      const watch = follow(api, namespace, start);
      await watch.until((seen) => seen.length >= 2);
      await api.delete(configMaps, namespace, "a");
      await watch.until((seen) => seen.length >= 3);
      watch.close();
      await api.create(configMaps, namespace, configMap("b"));
      assert.deepEqual(watch.seen, ["ADDED a", "MODIFIED a", "DELETED a"]);
      assert.equal(watch.ended(), false);
    });

    it("shows a watch with a selector objects as they begin and cease to match", async () => {
      const start = (await api.list(configMaps, namespace)).resourceVersion;
      const watch = follow(api, namespace, start, "on=yes");
      const labelled = (object: ConfigMap, on: string): ConfigMap => ({
        ...object,
        metadata: { ...object.metadata, labels: { on } },
      });
      const a = await api.create(configMaps, namespace, labelled(configMap("a"), "no"));
      const b = await api.replace(configMaps, namespace, labelled(a, "yes"));
      await api.replace(configMaps, namespace, labelled(b, "no"));
      await watch.until((seen) => seen.length >= 2);
      watch.close();
      assert.deepEqual(watch.seen, ["ADDED a", "DELETED a"]);
    });

    it("ends a watch from a forgotten version with Gone", async () => {
      const start = (await api.list(configMaps, namespace)).resourceVersion;
      await api.create(configMaps, namespace, configMap("a"));
      await api.create(configMaps, namespace, configMap("b"));
      under.forgetHistory?.();
      const resource = under.lateResource ?? configMaps;
      const resourceVersion = under.lateResource === undefined ? start : "1";
      const ended = (): Promise<Error | undefined> =>
        new Promise((resolve) => {
          const options = { resourceVersion, timeoutSeconds: 60 };
          api.watch(resource, namespace, options, { onEvent: () => undefined, onEnd: resolve });
        });
      let error = await ended();
      // A real one has nothing of a new kind in memory yet.
      while (error instanceof ServerBusyError) error = await ended();
      assert.ok(error instanceof GoneError, String(error));
    });

    it("lets exactly one of several concurrent replacements win", async () => {
      const first = await api.create(configMaps, namespace, configMap("a", { x: "0" }));
      const attempts = await Promise.allSettled(
        ["1", "2", "3", "4"].map((x) =>
          api.replace(configMaps, namespace, { ...first, data: { x } }),
        ),
      );
      assert.equal(attempts.filter(({ status }) => status === "fulfilled").length, 1);
    });
  });
}

interface Follow {
  readonly seen: readonly string[];
  ended(): boolean;
  until(holds: (seen: readonly string[]) => boolean): Promise<void>;
  close(): void;
}

/** Collects the events of a watch as `TYPE name`, without bookmarks. */
function follow(api: KubeApi, namespace: string, from: string, labelSelector?: string): Follow {
  const seen: string[] = [];
  const waiting: (() => void)[] = [];
  let ended = false;
  const wake = (): void => {
    for (const each of waiting.splice(0)) each();
  };
  const handle = api.watch(
    configMaps,
    namespace,
    {
      resourceVersion: from,
      timeoutSeconds: 60,
      ...(labelSelector === undefined ? {} : { labelSelector }),
    },
    {
      onEvent: (event: WatchEvent<ConfigMap>) => {
        // A real API server puts a root certificate into every namespace.
        if (event.type === "BOOKMARK" || event.object.metadata.name === "kube-root-ca.crt") return;
        seen.push(`${event.type} ${event.object.metadata.name}`);
        wake();
      },
      onEnd: () => {
        ended = true;
        wake();
      },
    },
  );
  return {
    seen,
    ended: () => ended,
    async until(holds) {
      while (!holds(seen)) {
        assert.ok(!ended, "the watch ended early");
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    close: () => {
      handle.close();
    },
  };
}
