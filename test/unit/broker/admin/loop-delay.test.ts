import assert from "node:assert/strict";
import { createHistogram } from "node:perf_hooks";
import { loopDelayMetric } from "../../../../broker/admin/loop-delay.ts";
import { MetricsRegistry } from "../../../../lib/metrics.ts";

const PERIOD_MS = 10;

/** The metric's lines by what is behind its name, of turns that were so many ms late. */
function rendered(delaysMs: readonly number[]): Map<string, number> {
  const histogram = createHistogram();
  for (const delay of delaysMs) histogram.record(Math.round((PERIOD_MS + delay) * 1e6));
  const metrics = new MetricsRegistry();
  metrics.add(loopDelayMetric(histogram, PERIOD_MS));
  const lines = metrics.render().split("\n");
  assert(lines.includes("# TYPE forebay_event_loop_delay_seconds histogram"));
  return new Map(
    lines.flatMap((line) => {
      const [, key, value] = /^forebay_event_loop_delay_seconds_(\S+) (.+)$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, Number(value)] as const];
    }),
  );
}

describe("event loop delay", () => {
  it("is counted in cumulative buckets, without the timer's own period", () => {
    const found = rendered([0.2, 0.4, 3, 19, 19, 40, 7000]);
    const at = (le: string): number | undefined => found.get(`bucket{le="${le}"}`);
    assert.deepEqual(
      ["0.001", "0.002", "0.005", "0.015", "0.02", "0.03", "0.05", "5", "+Inf"].map(at),
      [2, 2, 3, 3, 5, 5, 6, 6, 7],
    );
    assert.equal(found.get("count"), 7);
    assert(Math.abs((found.get("sum") ?? 0) - 7.0816) < 0.02, `${found.get("sum") ?? 0}`);
  });

  it("counts each of many, so that the difference of two looks is what came between", () => {
    const delays = Array.from({ length: 20_000 }, (_, i) => (i % 1000 === 0 ? 25 : (i % 10) / 10));
    const found = rendered(delays);
    assert.equal(found.get('bucket{le="0.001"}'), 19_980);
    assert.equal(found.get('bucket{le="0.02"}'), 19_980);
    assert.equal(found.get('bucket{le="0.03"}'), 20_000);
  });

  it("has empty buckets before the loop was looked at", () => {
    const found = rendered([]);
    assert.equal(found.get('bucket{le="+Inf"}'), 0);
    assert.equal(found.get("sum"), 0);
  });
});
