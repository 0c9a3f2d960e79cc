import assert from "node:assert/strict";
import { crc32c } from "@node-rs/crc32";
import { groupRecordFormat } from "../../../../../broker/coordinator/group/group-record-format.ts";
import type { GroupRecord } from "../../../../../broker/coordinator/group/group-metadata.ts";
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
    const view = new DataView(batch.buffer);
    assert.equal(view.getInt32(8), batch.length - 12);
    assert.equal(view.getInt8(16), 2);
    assert.equal(view.getUint32(17), crc32c(batch.subarray(21)));
    assert.equal(view.getInt32(57), 3);
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
});
