import assert from "node:assert/strict";
import { segmentsToDrop } from "../../../../broker/log/retention.ts";

const NOW = 1_000_000;
/** Three sealed segments and the active one, each of 100 bytes and ten records. */
const segments = [0, 10, 20, 30].map((baseOffset) => ({
  baseOffset,
  bytes: 100,
  maxTimestamp: NOW - 400 + 10 * baseOffset,
}));
const unlimited = { retentionMs: -1, retentionBytes: -1, delete: true };

describe("retention", () => {
  const cases: [string, Partial<typeof unlimited>, highWatermark: number, number | undefined][] = [
    ["keeps all without limits", {}, 40, undefined],
    ["drops what is older than retention.ms", { retentionMs: 250 }, 40, 20],
    ["keeps what is exactly as old as retention.ms", { retentionMs: 300 }, 40, 10],
    ["drops what is beyond retention.bytes", { retentionBytes: 200 }, 40, 20],
    ["keeps a segment that is partly within retention.bytes", { retentionBytes: 201 }, 40, 10],
    ["takes the stricter limit", { retentionMs: 300, retentionBytes: 200 }, 40, 20],
    ["drops nothing at or above the high watermark", { retentionBytes: 0 }, 15, 10],
    [
      "keeps all where the policy does not delete",
      { retentionBytes: 0, delete: false },
      40,
      undefined,
    ],
  ];
  for (const [name, config, highWatermark, expected] of cases) {
    it(name, () => {
      assert.equal(
        segmentsToDrop(segments, { ...unlimited, ...config }, highWatermark, NOW),
        expected,
      );
    });
  }

  it("stops at the first segment that has to stay", () => {
    const fresh = segments.map((one, i) => (i === 1 ? { ...one, maxTimestamp: NOW } : one));
    assert.equal(segmentsToDrop(fresh, { ...unlimited, retentionMs: 0 }, 40, NOW), 10);
  });
});
