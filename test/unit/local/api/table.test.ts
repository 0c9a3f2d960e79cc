import assert from "node:assert/strict";
import type { KubeObject } from "../../../../kube/objects.ts";
import { ageOf, tableOf } from "../../../../local/api/table.ts";

const NOW = Date.parse("2026-11-26T12:00:00Z");
const METADATA = { name: "one", creationTimestamp: "2026-11-26T11:58:20Z" };

/** What kubectl would print of an object: title → cell. */
function printed(
  kind: { readonly group: string; readonly plural: string },
  object: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const table = tableOf(
    kind,
    [{ metadata: METADATA, ...object } as KubeObject],
    undefined,
    NOW,
    {},
  );
  const columns = table["columnDefinitions"] as { name: string }[];
  const [row] = table["rows"] as { cells: unknown[] }[];
  return Object.fromEntries(columns.map(({ name }, at) => [name, row?.cells[at]]));
}

describe("tables for kubectl", () => {
  it("an event has no name there, but when it was last seen", () => {
    const common = { type: "Normal", reason: "Started" };
    assert.deepEqual(
      printed(
        { group: "", plural: "events" },
        {
          ...common,
          lastTimestamp: "2026-11-26T11:59:50Z",
          message: "container started",
          involvedObject: { kind: "Pod", name: "a-0" },
        },
      ),
      {
        "Last Seen": "10s",
        Type: "Normal",
        Reason: "Started",
        Object: "pod/a-0",
        Message: "container started",
      },
    );
    const newer = { ...common, eventTime: "2026-11-26T11:59:30.123456Z", note: "n" };
    const row = printed({ group: "events.k8s.io", plural: "events" }, newer);
    assert.equal(row["Last Seen"], "29s");
    // One that tells no time was seen when it was made.
    assert.equal(printed({ group: "", plural: "events" }, common)["Last Seen"], "100s");
  });

  const services: readonly {
    readonly what: string;
    readonly spec: Readonly<Record<string, unknown>>;
    readonly ingress?: readonly Readonly<Record<string, unknown>>[];
    readonly external: string;
  }[] = [
    { what: "inside only", spec: { type: "ClusterIP" }, external: "<none>" },
    {
      what: "a load balancer that has no address yet",
      spec: { type: "LoadBalancer" },
      external: "<pending>",
    },
    {
      what: "a load balancer",
      spec: { type: "LoadBalancer" },
      ingress: [{ ip: "198.51.100.7" }, { hostname: "lb.example.org" }],
      external: "198.51.100.7,lb.example.org",
    },
    {
      what: "addresses of the spec",
      spec: { type: "NodePort", externalIPs: ["203.0.113.1"] },
      external: "203.0.113.1",
    },
  ];
  for (const { what, spec, ingress, external } of services) {
    it(`the address outside of a service: ${what}`, () => {
      const status = ingress === undefined ? {} : { status: { loadBalancer: { ingress } } };
      const row = printed({ group: "", plural: "services" }, { spec, ...status });
      assert.equal(row["External-IP"], external);
      assert.equal(row["Type"], spec["type"]);
      assert.equal(row["Age"], ageOf(METADATA.creationTimestamp, NOW));
    });
  }
});
