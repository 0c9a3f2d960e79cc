import assert from "node:assert/strict";
import {
  judgeHeader,
  judgeMarker,
  judgeRecords,
  type PassRules,
  RetainedTransactions,
  type Verdict,
} from "../../../../../broker/log/compaction/clean-batch.ts";
import { OffsetMap } from "../../../../../broker/log/compaction/offset-map.ts";
import { AbortedTransactions } from "../../../../../broker/log/compaction/transactions.ts";
import {
  batchAt,
  batchBody,
  buildBatch,
  crcMatches,
  type NewBatch,
  readRecords,
  rewriteBatch,
} from "../../../../../broker/protocol/record-batch.ts";
import { T0 } from "../../../../support/batches.ts";

const NOW = T0 + 5000;
const RETENTION = 1000;

function rules(latest: Record<string, number>, rest: Partial<PassRules> = {}): PassRules {
  const map = new OffsetMap(1 << 16);
  for (const [key, offset] of Object.entries(latest)) map.put(Buffer.from(key), offset);
  return {
    map,
    mapEnd: 1000,
    aborted: new AbortedTransactions(),
    now: NOW,
    deleteRetentionMs: RETENTION,
    remembered: () => false,
    ...rest,
  };
}

/** A batch from offset 10 on of records `key` or `key=` (a tombstone), a millisecond apart. */
function batchOf(keys: readonly (string | null)[], rest: Partial<NewBatch> = {}): Uint8Array {
  return buildBatch({
    baseOffset: 10,
    leaderEpoch: 3,
    ...rest,
    records: keys.map((key, i) => ({
      key: key === null ? null : Buffer.from(key.replace("=", "")),
      value: key?.endsWith("=") === true ? null : Buffer.from(`value of ${String(key)}`),
      timestamp: T0 + i,
      headers: [{ key: "h", value: Buffer.from([i]) }],
    })),
  });
}

function judged(bytes: Uint8Array, by: PassRules, last = false, needed = false): Verdict {
  const batch = batchAt(bytes, 0);
  const known = judgeHeader(batch, by, last);
  if (known !== undefined) return known;
  const body = batchBody(bytes, batch);
  const judging = batch.control
    ? judgeMarker(batch, body, by, last, needed)
    : judgeRecords(batch, body, by, last);
  for (;;) {
    const step = judging.next();
    if (step.done === true) return step.value;
  }
}

/** The verdict, and of a rewritten batch what is in it: `offset:key`, with `=` for a tombstone. */
function outcome(bytes: Uint8Array, by: PassRules, last = false, needed = false): string {
  const verdict = judged(bytes, by, last, needed);
  if (verdict.kind !== "rewrite") return verdict.kind;
  const again = rewriteBatch(bytes, batchAt(bytes, 0), { ...verdict, codec: 0 });
  const batch = batchAt(again, 0);
  assert(crcMatches(again, batch));
  const records = readRecords(again, batch).map(
    ({ offset, key, value }) =>
      `${offset}:${Buffer.from(key ?? []).toString()}${value === null ? "=" : ""}`,
  );
  return `${records.join(" ")}${batch.deleteHorizon ? ` until ${batch.baseTimestamp - NOW}` : ""}`;
}

/** With a delete horizon, as a pass leaves it. */
function withHorizon(bytes: Uint8Array, horizon: number): Uint8Array {
  const verdict = judged(bytes, rules({}, { now: horizon - RETENTION }));
  assert(verdict.kind === "rewrite");
  return rewriteBatch(bytes, batchAt(bytes, 0), { ...verdict, codec: 0 });
}

const marker = buildBatch({
  baseOffset: 10,
  transactional: true,
  control: true,
  producerId: 5,
  producerEpoch: 0,
  records: [{ key: Buffer.from([0, 0, 0, 1]), value: Buffer.alloc(6), timestamp: T0 }],
});
const transactional = { transactional: true, producerId: 5, producerEpoch: 0, baseSequence: 0 };

describe("compaction of a batch", () => {
  const aborted = new AbortedTransactions();
  aborted.data(batchAt(batchOf(["a"], transactional), 0));
  aborted.marker({ ...batchAt(marker, 0), lastOffset: 20 }, false);
  const emptied = rewriteBatch(batchOf(["a"]), batchAt(batchOf(["a"]), 0), {
    body: new Uint8Array(0),
    codec: 0,
    count: 0,
    baseTimestamp: T0,
    maxTimestamp: T0,
    deleteHorizon: false,
  });
  const remembered = { remembered: () => true };
  const cases: [string, Uint8Array, PassRules, string][] = [
    ["of unknown keys", batchOf(["a", "b"]), rules({}), "keep"],
    ["of the newest records", batchOf(["a", "b"]), rules({ a: 10, b: 11 }), "keep"],
    ["of superseded records", batchOf(["a", "b"]), rules({ a: 12, b: 13 }), "drop"],
    ["of some superseded", batchOf(["a", "b", "c"]), rules({ b: 50 }), "10:a 12:c"],
    ["with a key twice", batchOf(["a", "a", "b"]), rules({ a: 11 }), "11:a 12:b"],
    ["of keyless records", batchOf([null, "b"]), rules({}), "11:b"],
    ["behind the map", batchOf(["a", null]), rules({ a: 90 }, { mapEnd: 10 }), "keep"],
    [
      "in which the map ends",
      batchOf(["a", "b", "c"]),
      rules({ a: 90, b: 90, c: 90 }, { mapEnd: 11 }),
      "11:b 12:c",
    ],
    ["that is remembered", batchOf(["a"]), rules({ a: 12 }, remembered), "empty"],
    ["that is empty", emptied, rules({}), "drop"],
    ["that is empty and remembered", emptied, rules({}, remembered), "keep"],
    ["with a new tombstone", batchOf(["a=", "b"]), rules({}), "10:a= 11:b until 1000"],
    ["with a superseded tombstone", batchOf(["a=", "b"]), rules({ a: 99 }), "11:b"],
    [
      "with a tombstone behind the map",
      batchOf(["a", "b="]),
      rules({ a: 99 }, { mapEnd: 11 }),
      "11:b=",
    ],
    ["whose horizon is to come", withHorizon(batchOf(["a=", "b"]), NOW + 1), rules({}), "keep"],
    ["whose horizon has come", withHorizon(batchOf(["a=", "b"]), NOW), rules({}), "11:b until 0"],
    ["of tombstones whose horizon has come", withHorizon(batchOf(["a="]), NOW), rules({}), "drop"],
    ["of an aborted transaction", batchOf(["a"], transactional), rules({}, { aborted }), "drop"],
    [
      "of an aborted transaction, remembered",
      batchOf(["a"], transactional),
      rules({}, { aborted, ...remembered }),
      "empty",
    ],
    ["of another producer's transaction", batchOf(["a"]), rules({}, { aborted }), "keep"],
  ];
  for (const [name, bytes, by, expected] of cases) {
    it(`${name}: ${expected}`, () => {
      assert.equal(outcome(bytes, by), expected);
    });
  }

  it("keeps the last batch of a group, if without records", () => {
    assert.equal(outcome(batchOf(["a"]), rules({ a: 12 }), true), "empty");
    assert.equal(outcome(emptied, rules({}), true), "keep");
    assert.equal(outcome(batchOf(["a"], transactional), rules({}, { aborted }), true), "empty");
  });

  it("keeps a marker while its transaction has a batch, then until its horizon", () => {
    assert.equal(outcome(marker, rules({}), false, true), "keep");
    const waiting = withHorizon(marker, NOW + 1);
    assert.equal(judged(marker, rules({})).kind, "rewrite");
    assert.equal(outcome(waiting, rules({})), "keep");
    const due = withHorizon(marker, NOW);
    assert.equal(outcome(due, rules({})), "drop");
    assert.equal(outcome(due, rules({}), false, true), "keep");
    assert.equal(outcome(due, rules({}), true), "keep");
    assert.equal(outcome(due, rules({}, remembered)), "keep");
  });

  it("changes nothing but records, their count, codec and horizon", () => {
    const before = batchOf(["a", "b=", "c"], {
      producerId: 7,
      producerEpoch: 2,
      baseSequence: 40,
      transactional: true,
    });
    const verdict = judged(before, rules({ a: 99 }));
    assert(verdict.kind === "rewrite");
    const after = rewriteBatch(before, batchAt(before, 0), { ...verdict, codec: 0 });
    const { size, crc, attributes, count, baseTimestamp, deleteHorizon, ...rest } = batchAt(
      after,
      0,
    );
    const was = batchAt(before, 0);
    assert.deepEqual({ ...was, ...rest }, was);
    assert.deepEqual(
      { count, baseTimestamp, deleteHorizon, attributes },
      {
        count: 2,
        baseTimestamp: NOW + RETENTION,
        deleteHorizon: true,
        attributes: was.attributes | 0x40,
      },
    );
    assert(size > 0 && crc !== was.crc);
    assert.deepEqual(readRecords(after, batchAt(after, 0)), readRecords(before, was).slice(1));
  });

  it("says the largest timestamp of what is left", () => {
    const verdict = judged(batchOf(["a", "b", "c"]), rules({ c: 99 }));
    assert(verdict.kind === "rewrite");
    assert.equal(verdict.maxTimestamp, T0 + 1);
  });

  it("lets others go on within a large batch", () => {
    const bytes = batchOf(Array.from({ length: 1000 }, (_, i) => `k${i}`));
    const batch = batchAt(bytes, 0);
    const judging = judgeRecords(batch, batchBody(bytes, batch), rules({ k7: 99_999 }), false);
    let pauses = 0;
    while (judging.next().done !== true) pauses++;
    assert(pauses >= 10, `${pauses} pauses`);
  });
});

describe("aborted transactions", () => {
  it("are those between first batch and abort marker of one producer", () => {
    const at = (baseOffset: number, producerId = 5) =>
      batchAt(batchOf(["a"], { ...transactional, producerId, baseOffset }), 0);
    const found = new AbortedTransactions();
    found.data(at(10));
    found.data(at(11, 6));
    found.data(at(12));
    found.marker(at(13), false);
    found.data(at(14));
    assert.equal(found.firstOpen, 11);
    found.marker(at(15), true);
    found.marker(at(16, 6), false);
    found.data(at(17));
    found.marker(at(18), false);
    assert.equal(found.firstOpen, undefined);
    const offsets = (producerId: number): number[] =>
      Array.from({ length: 20 }, (_, i) => i).filter((offset) => found.has(at(offset, producerId)));
    assert.deepEqual(offsets(5), [10, 11, 12, 17]);
    assert.deepEqual(offsets(6), [11, 12, 13, 14, 15]);
    assert.deepEqual(offsets(9), []);
    assert.equal(found.has(batchAt(marker, 0)), false);
  });

  it("have ended when their last batch is gone before the marker", () => {
    const retained = new RetainedTransactions();
    const data = batchAt(batchOf(["a"], transactional), 0);
    const end = batchAt(marker, 0);
    assert.equal(retained.ended(end), false);
    retained.kept(data);
    retained.kept(end);
    assert.equal(retained.ended(end), true);
    assert.equal(retained.ended(end), false);
  });
});
