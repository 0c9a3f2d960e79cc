import assert from "node:assert/strict";
import { parseApiWrites, writesBetween } from "../../kubernetes/support/api-writes.ts";
import { summary, type FailoverRun } from "../../kubernetes/support/failover-figures.ts";

function metric(labels: Readonly<Record<string, string>>, count: number): string {
  const all = Object.entries({ code: "200", subresource: "", ...labels });
  return `apiserver_request_total{${all.map(([name, value]) => `${name}="${value}"`).join(",")}} ${count}`;
}

describe("failover figures", () => {
  it("count writes of our kinds, refused ones too, and nothing else", () => {
    const slices = { group: "forebay.dev", resource: "partitionslices" };
    const metrics = [
      "# TYPE apiserver_request_total counter",
      metric({ ...slices, subresource: "status", verb: "PATCH" }, 7),
      metric({ ...slices, subresource: "status", verb: "PATCH", code: "422" }, 2),
      metric({ ...slices, verb: "LIST" }, 100),
      metric({ ...slices, verb: "WATCH" }, 50),
      metric({ group: "forebay.dev", resource: "brokers", verb: "PUT" }, 3),
      metric({ group: "coordination.k8s.io", resource: "leases", verb: "PUT" }, 900),
      `apiserver_request_slo_total{group="forebay.dev",resource="brokers",verb="PUT"} 5`,
    ].join("\n");
    const writes = parseApiWrites(metrics);
    assert.deepEqual(
      [...writes],
      [
        ["partitionslices", 9],
        ["brokers", 3],
      ],
    );
    assert.deepEqual(
      [...writesBetween(new Map([["partitionslices", 4]]), writes)],
      [
        ["partitionslices", 5],
        ["brokers", 3],
      ],
    );
  });

  it("show least, median and most, and which run was the controller's", () => {
    const run = (gapMs: number, ofController: boolean): FailoverRun => ({
      gapMs,
      slowestMs: gapMs + 10,
      seconds: gapMs / 100,
      ofController,
      writes: new Map([
        ["partitionslices", gapMs / 100],
        ["topics", 0],
      ]),
    });
    const runs = [run(300, false), run(100, true), run(200, false), run(500, false)];
    assert.deepEqual(summary("pod lost", runs), [
      "pod lost, 4 runs, min / median / max:",
      "  without an acknowledgement 100 / 250 / 500 ms (300 100* 200 500)",
      "  a batch waited 110 / 260 / 510 ms",
      "  whole again in 1.0 / 2.5 / 5.0 s",
      "  writes of our kinds until then 1 / 3 / 5: partitionslices 1 / 3 / 5",
    ]);
  });
});
