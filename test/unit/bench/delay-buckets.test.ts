import assert from "node:assert/strict";
import { delayAt, delayBuckets } from "../../../bench/sides/delay-buckets.ts";

/** A broker's metrics with so many delays of at most 10 ms, 20 ms, and in all. */
function metrics(ten: number, twenty: number, all: number): string {
  return [
    "# TYPE forebay_event_loop_delay_seconds histogram",
    `forebay_event_loop_delay_seconds_bucket{le="0.01"} ${ten}`,
    `forebay_event_loop_delay_seconds_bucket{le="0.02"} ${twenty}`,
    `forebay_event_loop_delay_seconds_bucket{le="+Inf"} ${all}`,
    `forebay_event_loop_delay_seconds_count ${all}`,
  ].join("\n");
}

describe("loop delay of a load", () => {
  it("is that of all brokers between two looks", () => {
    const before = delayBuckets([metrics(5, 5, 1000), metrics(0, 0, 0)]);
    const after = delayBuckets([metrics(500, 1000, 2000), metrics(500, 504, 505)]);
    // Of 1505 that are new 995 are within 10 ms, 1499 within 20 ms.
    assert.equal(delayAt(0.5, before, after), 10);
    assert.equal(delayAt(0.99, before, after), 20);
    assert.equal(delayAt(0.999, before, after), Infinity);
    assert.equal(delayAt(0.999, after, after), Number.NaN);
  });
});
