import assert from "node:assert/strict";
import { LeaderEpochCache } from "../../../../broker/log/leader-epoch-cache.ts";

type Entry = readonly [epoch: number, startOffset: number];

function cacheOf(...entries: Entry[]): LeaderEpochCache {
  const cache = new LeaderEpochCache();
  for (const [epoch, offset] of entries) cache.assign(epoch, offset);
  return cache;
}

function entriesOf(cache: LeaderEpochCache): Entry[] {
  return cache.entries().map(({ epoch, startOffset }) => [epoch, startOffset]);
}

describe("leader epoch cache", () => {
  const assigned: [string, Entry[], Entry[]][] = [
    [
      "grows with each new epoch",
      [
        [0, 0],
        [2, 10],
        [5, 10 + 1],
      ],
      [
        [0, 0],
        [2, 10],
        [5, 11],
      ],
    ],
    [
      "keeps the first start of an epoch",
      [
        [1, 5],
        [1, 9],
      ],
      [[1, 5]],
    ],
    [
      "takes an earlier start of the newest epoch",
      [
        [0, 0],
        [1, 9],
        [1, 5],
      ],
      [
        [0, 0],
        [1, 5],
      ],
    ],
    [
      "drops an epoch without records for the next",
      [
        [0, 0],
        [1, 7],
        [2, 7],
      ],
      [
        [0, 0],
        [2, 7],
      ],
    ],
    [
      "drops what a lower start contradicts",
      [
        [0, 0],
        [1, 7],
        [2, 3],
      ],
      [
        [0, 0],
        [2, 3],
      ],
    ],
    [
      "drops newer epochs that an older one contradicts",
      [
        [0, 0],
        [4, 7],
        [2, 9],
      ],
      [
        [0, 0],
        [2, 9],
      ],
    ],
    [
      "goes on with an epoch when another had begun in between without records",
      [
        [0, 0],
        [3, 53],
        [0, 53],
      ],
      [[0, 0]],
    ],
  ];
  for (const [name, given, expected] of assigned) {
    it(`${name} (KIP-101)`, () => {
      assert.deepEqual(entriesOf(cacheOf(...given)), expected);
    });
  }

  it("says whether an assignment was news", () => {
    const cache = cacheOf([3, 0]);
    assert.equal(cache.assign(3, 4), false);
    assert.equal(cache.assign(4, 4), true);
    assert.equal(cache.latest, 4);
    assert.equal(new LeaderEpochCache().latest, -1);
  });

  it("forgets an epoch where a record of another one lies", () => {
    const cache = cacheOf([0, 0], [3, 53], [5, 83]);
    assert.equal(cache.confirm(0, 50, 52), false);
    assert.equal(cache.confirm(0, 53, 60), true);
    assert.equal(cache.confirm(5, 83, 90), false);
    assert.deepEqual(entriesOf(cache), [
      [0, 0],
      [5, 83],
    ]);
  });

  const some: Entry[] = [
    [2, 4],
    [4, 10],
    [7, 20],
  ];
  const ends: [string, Entry[], asked: number, epoch: number, offset: number][] = [
    ["nothing known", [], 0, -1, -1],
    ["no epoch asked for", some, -1, -1, -1],
    ["newer than all", some, 8, -1, -1],
    ["the newest ends at the log end", some, 7, 7, 30],
    ["an older one ends where the next begins", some, 4, 4, 20],
    ["one between two is answered by the lower", some, 6, 4, 20],
    ["older than all: ends where the first begins", some, 1, 1, 4],
  ];
  for (const [name, given, asked, leaderEpoch, endOffset] of ends) {
    it(`gives the end of an epoch: ${name} (KIP-279)`, () => {
      assert.deepEqual(cacheOf(...given).endOf(asked, 30), { leaderEpoch, endOffset });
    });
  }

  for (const [offset, epoch] of [
    [3, -1],
    [4, 2],
    [9, 2],
    [10, 4],
    [19, 4],
    [20, 7],
    [99, 7],
  ] as const) {
    it(`knows the epoch at offset ${offset}`, () => {
      assert.equal(cacheOf(...some).epochAt(offset), epoch);
    });
  }

  const fromEnd: [number, Entry[]][] = [
    [30, some],
    [21, some],
    [
      20,
      [
        [2, 4],
        [4, 10],
      ],
    ],
    [5, [[2, 4]]],
    [4, []],
  ];
  for (const [offset, expected] of fromEnd) {
    it(`keeps epochs that begin before ${offset} when the log is cut there`, () => {
      const cache = cacheOf(...some);
      cache.truncateFromEnd(offset);
      assert.deepEqual(entriesOf(cache), expected);
    });
  }

  const fromStart: [number, Entry[]][] = [
    [0, some],
    [4, some],
    [
      5,
      [
        [2, 5],
        [4, 10],
        [7, 20],
      ],
    ],
    [
      10,
      [
        [4, 10],
        [7, 20],
      ],
    ],
    [
      15,
      [
        [4, 15],
        [7, 20],
      ],
    ],
    [25, [[7, 25]]],
  ];
  for (const [offset, expected] of fromStart) {
    it(`begins in the epoch of offset ${offset} when the log starts there`, () => {
      const cache = cacheOf(...some);
      cache.truncateFromStart(offset);
      assert.deepEqual(entriesOf(cache), expected);
    });
  }

  it("is written as Kafka's leader-epoch-checkpoint file", () => {
    assert.equal(Buffer.from(cacheOf(...some).encode()).toString(), "0\n3\n2 4\n4 10\n7 20\n");
  });

  for (const given of [[], some]) {
    it(`is read back as it was written (${given.length} epochs)`, () => {
      assert.deepEqual(entriesOf(LeaderEpochCache.decode(cacheOf(...given).encode())), given);
    });
  }

  it("is empty when there is no file", () => {
    assert.equal(LeaderEpochCache.decode(undefined).latest, -1);
  });
});
