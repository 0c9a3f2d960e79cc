import assert from "node:assert/strict";
import { groupRecordFormat } from "../../../../../broker/coordinator/group/group-record-format.ts";
import type { GroupRecord } from "../../../../../broker/coordinator/group/group-metadata.ts";
import { encodeKey, encodeValue } from "../../../../../broker/coordinator/group/group-records.ts";
import { MalformedError } from "../../../../../broker/protocol/reader.ts";
import { batchAt, buildBatch, crcMatches } from "../../../../../broker/protocol/record-batch.ts";
import { concatBytes } from "../../../../../lib/bytes.ts";
import { moment } from "../fakes.ts";

const tombstones = (count: number): GroupRecord[] =>
  Array.from({ length: count }, (_, at) => ({
    kind: "offset",
    groupId: "g".repeat(at % 200),
    topic: "t",
    partition: at,
    value: null,
  }));

describe("record batches of __consumer_offsets", () => {
  it("are whole record batches v2 with a valid checksum", () => {
    const batch = groupRecordFormat.encode(tombstones(3), moment(0));
    const header = batchAt(batch, 0);
    assert.equal(header.size, batch.length);
    assert.equal(header.magic, 2);
    assert(crcMatches(batch, header));
    assert.deepEqual([header.count, header.lastOffsetDelta, header.codec], [3, 2, 0]);
    assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [-1, -1, -1]);
  });

  it("are read back one after the other with the offset that follows each", () => {
    const first = groupRecordFormat.encode(tombstones(300), moment(0));
    const second = groupRecordFormat.encode(
      [...tombstones(1), { kind: "group", groupId: "g", value: null }],
      moment(5),
    );
    new DataView(second.buffer).setBigInt64(0, 300n);
    const read = [...groupRecordFormat.decode(concatBytes([first, second]))];
    assert.deepEqual(
      read.map((each) => each.nextOffset),
      [300, 302],
    );
    assert.deepEqual(read[0]?.records, tombstones(300));
    assert.deepEqual(read[1]?.records[1], { kind: "group", groupId: "g", value: null });
  });

  it("carry the whole milliseconds of the event, and are the same bytes each time", () => {
    const at = { now: 0, wall: 1_700_000_000_000.75 };
    const batch = groupRecordFormat.encode(tombstones(2), at);
    const header = batchAt(batch, 0);
    assert.deepEqual(
      [header.baseTimestamp, header.maxTimestamp],
      [1_700_000_000_000, 1_700_000_000_000],
    );
    assert.deepEqual(groupRecordFormat.encode(tombstones(2), at), batch);
  });

  it("are read when another broker compressed them", () => {
    const records = tombstones(5);
    const compressed = buildBatch({
      compression: 4,
      records: records.map((each) => ({
        key: encodeKey(each),
        value: encodeValue(each),
        timestamp: 0,
      })),
    });
    assert.deepEqual([...groupRecordFormat.decode(compressed)], [{ records, nextOffset: 5 }]);
  });

  it("of transaction markers move the offset on and say nothing", () => {
    const marker = buildBatch({
      baseOffset: 7,
      transactional: true,
      control: true,
      records: [{ key: Uint8Array.of(0, 0, 0, 1), value: new Uint8Array(6), timestamp: 0 }],
    });
    assert.deepEqual([...groupRecordFormat.decode(marker)], [{ records: [], nextOffset: 8 }]);
  });

  it("that are cut short are refused, not read in part", () => {
    const batch = groupRecordFormat.encode(tombstones(3), moment(0));
    for (const length of [5, 30, 61, batch.length - 1]) {
      const cut = batch.subarray(0, length);
      assert.throws(() => [...groupRecordFormat.decode(cut)], MalformedError, String(length));
    }
  });

  it("may be overwritten once they are read", () => {
    const value = {
      protocolType: "consumer",
      generation: 1,
      protocol: "range",
      leader: "m",
      currentStateTimestamp: 0,
      members: [
        {
          memberId: "m",
          groupInstanceId: null,
          clientId: "c",
          clientHost: "h",
          rebalanceTimeoutMs: 1,
          sessionTimeoutMs: 1,
          subscription: Uint8Array.of(1, 2, 3),
          assignment: Uint8Array.of(4, 5, 6),
        },
      ],
    };
    const record: GroupRecord = { kind: "group", groupId: "g", value };
    // A Buffer, as what comes from a file is: its slices share its memory.
    const bytes = Buffer.from(groupRecordFormat.encode([record], moment(0)));
    const read = [...groupRecordFormat.decode(bytes)];
    bytes.fill(0xee);
    assert.deepEqual(read[0]?.records, [record]);
  });
});
