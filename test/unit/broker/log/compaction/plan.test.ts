import assert from "node:assert/strict";
import {
  type Cleanable,
  cleanablePart,
  groupSegments,
  isDue,
  type LogFacts,
  type SegmentFacts,
} from "../../../../../broker/log/compaction/plan.ts";

const NOW = 1_000_000;

function segment(baseOffset: number, size: number, rest: Partial<SegmentFacts> = {}): SegmentFacts {
  return { baseOffset, size, indexBytes: 0, firstTimestamp: -1, maxTimestamp: NOW - 10, ...rest };
}

/** Segments of 10 offsets and 100 bytes, the last one active. */
function log(segments: number, rest: Partial<LogFacts> = {}): LogFacts {
  return {
    segments: Array.from({ length: segments }, (_, i) => segment(10 * i, 100)),
    logStartOffset: 0,
    cleanedOffset: 0,
    limit: Infinity,
    ...rest,
  };
}

const NO_LAG = { minCompactionLagMs: 0, maxCompactionLagMs: Number.MAX_SAFE_INTEGER };

describe("compaction plan", () => {
  const young = [segment(0, 100), segment(10, 100, { maxTimestamp: NOW - 3 }), segment(20, 100)];
  const cases: [string, LogFacts, Partial<typeof NO_LAG>, Cleanable | undefined][] = [
    ["an active segment alone", log(1), {}, undefined],
    [
      "a new log up to its active segment",
      log(4),
      {},
      { firstDirtyOffset: 0, endOffset: 30, dirtyRatio: 1, overdue: false },
    ],
    [
      "what is behind the clean part",
      log(5, { cleanedOffset: 10 }),
      {},
      { firstDirtyOffset: 10, endOffset: 40, dirtyRatio: 0.75, overdue: false },
    ],
    [
      "a segment that is clean in part",
      log(4, { cleanedOffset: 25 }),
      {},
      { firstDirtyOffset: 25, endOffset: 30, dirtyRatio: 1 / 3, overdue: false },
    ],
    ["nothing when all is clean", log(4, { cleanedOffset: 30 }), {}, undefined],
    [
      "no segment beyond the limit",
      log(5, { limit: 29 }),
      {},
      { firstDirtyOffset: 0, endOffset: 20, dirtyRatio: 1, overdue: false },
    ],
    [
      "a segment that ends at the limit",
      log(5, { limit: 30 }),
      {},
      { firstDirtyOffset: 0, endOffset: 30, dirtyRatio: 1, overdue: false },
    ],
    ["nothing below the limit", log(5, { limit: 9 }), {}, undefined],
    [
      "nothing below the log start",
      log(5, { logStartOffset: 20, cleanedOffset: 5 }),
      {},
      { firstDirtyOffset: 20, endOffset: 40, dirtyRatio: 0.5, overdue: false },
    ],
    [
      "all of a log that was cut below what was clean",
      log(3, { cleanedOffset: 25 }),
      {},
      { firstDirtyOffset: 0, endOffset: 20, dirtyRatio: 1, overdue: false },
    ],
    [
      "no young segment, nor what is behind it",
      { ...log(0), segments: young },
      { minCompactionLagMs: 5 },
      { firstDirtyOffset: 0, endOffset: 10, dirtyRatio: 1, overdue: false },
    ],
    [
      "a young segment without a lag",
      { ...log(0), segments: young },
      {},
      { firstDirtyOffset: 0, endOffset: 20, dirtyRatio: 1, overdue: false },
    ],
    [
      "what has waited too long",
      log(3),
      { maxCompactionLagMs: 9 },
      { firstDirtyOffset: 0, endOffset: 20, dirtyRatio: 1, overdue: true },
    ],
    [
      "what has waited just long enough",
      log(3),
      { maxCompactionLagMs: 10 },
      { firstDirtyOffset: 0, endOffset: 20, dirtyRatio: 1, overdue: false },
    ],
    [
      "what has waited too long by its first record",
      { ...log(0), segments: [segment(0, 100, { firstTimestamp: NOW - 50 }), segment(10, 1)] },
      { maxCompactionLagMs: 40 },
      { firstDirtyOffset: 0, endOffset: 10, dirtyRatio: 1, overdue: true },
    ],
  ];
  for (const [name, facts, lag, expected] of cases) {
    it(`takes ${name}`, () => {
      assert.deepEqual(cleanablePart(facts, { ...NO_LAG, ...lag }, NOW), expected);
    });
  }

  it("is due above the ratio, or when something is overdue", () => {
    const part = { firstDirtyOffset: 0, endOffset: 1, dirtyRatio: 0.5, overdue: false };
    assert.equal(isDue(part, { minCleanableDirtyRatio: 0.5 }), false);
    assert.equal(isDue(part, { minCleanableDirtyRatio: 0.4 }), true);
    assert.equal(isDue({ ...part, overdue: true }, { minCleanableDirtyRatio: 1 }), true);
  });

  const groups: [string, SegmentFacts[], number, number[][]][] = [
    ["none", [], 0, []],
    ["what fits", [segment(0, 40), segment(10, 60), segment(20, 1)], 30, [[0, 10], [20]]],
    ["one that is too large by itself", [segment(0, 300), segment(10, 60)], 20, [[0], [10]]],
    [
      "what fits an index",
      [segment(0, 1, { indexBytes: 30 }), segment(10, 1, { indexBytes: 21 })],
      20,
      [[0], [10]],
    ],
    [
      "what relative offsets reach",
      [segment(0, 1), segment(10, 1), segment(2 ** 31, 1)],
      2 ** 31 + 5,
      [[0, 10], [2 ** 31]],
    ],
  ];
  for (const [name, segments, end, expected] of groups) {
    it(`groups ${name}`, () => {
      const found = groupSegments(segments, end, { segmentBytes: 100, maxIndexBytes: 50 });
      assert.deepEqual(
        found.map((group) => group.map(({ baseOffset }) => baseOffset)),
        expected,
      );
    });
  }
});
