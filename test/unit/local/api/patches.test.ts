import assert from "node:assert/strict";
import { InvalidError } from "../../../../kube/errors.ts";
import { applyJsonPatch } from "../../../../local/api/json-patch.ts";
import { jsonPath } from "../../../../local/api/json-path.ts";
import { applyMergePatch } from "../../../../local/api/merge-patch.ts";
import { parsePath } from "../../../../local/api/paths.ts";
import { labelFilter } from "../../../../local/api/selectors.ts";
import { applyStrategicMerge } from "../../../../local/api/strategic-merge.ts";
import { ageOf } from "../../../../local/api/table.ts";

describe("JSON Patch", () => {
  it("follows the operations of RFC 6902", () => {
    const cases: [unknown, unknown[], unknown][] = [
      [{ a: [1, 2] }, [{ op: "add", path: "/a/1", value: 9 }], { a: [1, 9, 2] }],
      [{ a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
      [{ a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
      [
        { "x/y": 1, "m~n": 2 },
        [
          { op: "replace", path: "/x~1y", value: 3 },
          { op: "remove", path: "/m~0n" },
        ],
        { "x/y": 3 },
      ],
      [{ a: { b: 1 } }, [{ op: "move", from: "/a/b", path: "/c" }], { a: {}, c: 1 }],
      [
        { a: { b: 1 } },
        [
          { op: "copy", from: "/a", path: "/c" },
          { op: "add", path: "/c/d", value: 2 },
        ],
        { a: { b: 1 }, c: { b: 1, d: 2 } },
      ],
    ];
    for (const [document, patch, wanted] of cases) {
      const before = structuredClone(document);
      assert.deepEqual(applyJsonPatch(document, patch), wanted);
      assert.deepEqual(document, before);
    }
  });

  it("is refused as a whole when one operation cannot be applied", () => {
    for (const operation of [
      { op: "test", path: "/a", value: 2 },
      { op: "test", path: "/none", value: null },
      { op: "replace", path: "/none", value: 1 },
      { op: "remove", path: "/none" },
      { op: "add", path: "/list/3", value: 1 },
      { op: "add", path: "/list/01", value: 1 },
    ]) {
      assert.throws(() => applyJsonPatch({ a: 1, list: [0] }, [operation]), InvalidError);
    }
  });

  it("cannot reach prototypes", () => {
    const result = applyJsonPatch({}, [
      { op: "add", path: "/__proto__", value: { polluted: true } },
    ]);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    assert.ok(Object.hasOwn(result as object, "__proto__"));
  });
});

describe("merge patches", () => {
  it("removes with null and replaces lists (RFC 7386)", () => {
    const target = { a: { b: 1, c: 2 }, list: [1, 2] };
    assert.deepEqual(applyMergePatch(target, { a: { b: null }, list: [3] }), {
      a: { c: 2 },
      list: [3],
    });
  });

  it("merges items of lists with merge keys in a strategic merge", () => {
    const pod = {
      spec: {
        containers: [
          { name: "a", image: "1", args: ["x"] },
          { name: "b", image: "1" },
        ],
      },
    };
    const patch = {
      spec: {
        $setElementOrder: [],
        containers: [
          { name: "a", image: "2" },
          { name: "b", $patch: "delete" },
          { name: "c", image: "3" },
        ],
      },
    };
    assert.deepEqual(applyStrategicMerge(pod, patch), {
      spec: {
        containers: [
          { name: "a", image: "2", args: ["x"] },
          { name: "c", image: "3" },
        ],
      },
    });
  });
});

describe("what requests are made of", () => {
  it("takes REST paths apart", () => {
    assert.deepEqual(parsePath("/api/v1/namespaces/shop"), {
      group: "",
      version: "v1",
      namespace: "",
      plural: "namespaces",
      name: "shop",
    });
    assert.deepEqual(parsePath("/apis/apps/v1/namespaces/shop/statefulsets/x/scale"), {
      group: "apps",
      version: "v1",
      namespace: "shop",
      plural: "statefulsets",
      name: "x",
      subresource: "scale",
    });
    assert.deepEqual(parsePath("/api/v1/namespaces/status/pods"), {
      group: "",
      version: "v1",
      namespace: "status",
      plural: "pods",
    });
    assert.equal(parsePath("/metrics"), undefined);
  });

  it("selects by every form of label selector", () => {
    const object = {
      apiVersion: "v1",
      kind: "X",
      metadata: { name: "x", labels: { app: "web", tier: "" } },
    };
    const cases: [string, boolean][] = [
      ["app=web", true],
      ["app==api", false],
      ["app!=api", true],
      ["other!=x", true],
      ["app in (api, web),tier", true],
      ["app notin (web)", false],
      ["other notin (web)", true],
      ["!other", true],
      ["!app", false],
      ["tier=", true],
    ];
    for (const [selector, wanted] of cases)
      assert.equal(labelFilter(selector)(object), wanted, selector);
  });

  it("reads the JSONPath of printer columns", () => {
    const value = {
      metadata: { labels: { "a.b/c": "dotted" } },
      status: {
        conditions: [
          { type: "A", status: "False" },
          { type: "Ready", status: "True" },
        ],
      },
    };
    assert.deepEqual(jsonPath(value, '.status.conditions[?(@.type=="Ready")].status'), ["True"]);
    assert.deepEqual(jsonPath(value, ".status.conditions[*].type"), ["A", "Ready"]);
    assert.deepEqual(jsonPath(value, ".status.conditions[0].type"), ["A"]);
    assert.deepEqual(jsonPath(value, ".metadata.labels.a\\.b/c"), ["dotted"]);
    assert.deepEqual(jsonPath(value, ".metadata.labels['a.b/c']"), ["dotted"]);
    assert.deepEqual(jsonPath(value, ".none.at.all"), []);
  });

  it("writes ages as kubectl does", () => {
    const at = (seconds: number): string => ageOf(new Date(0).toISOString(), seconds * 1000);
    assert.deepEqual([5, 119, 125, 600, 7_200, 11_000, 90_000, 200_000].map(at), [
      "5s",
      "119s",
      "2m5s",
      "10m",
      "120m",
      "3h3m",
      "25h",
      "2d7h",
    ]);
  });
});
