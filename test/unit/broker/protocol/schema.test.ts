import assert from "node:assert/strict";
import { INT64_MAX } from "../../../../broker/protocol/int64.ts";
import { fetchRequest, fetchResponse } from "../../../../broker/protocol/messages/fetch.ts";
import { produceRequest } from "../../../../broker/protocol/messages/produce.ts";
import { MalformedError, Reader } from "../../../../broker/protocol/reader.ts";
import {
  array,
  bytes,
  defineMessage,
  int32,
  int64,
  nullableArray,
  nullableBytes,
  nullableString,
  nullableStruct,
  records,
  string,
  struct,
  structs,
} from "../../../../broker/protocol/schema.ts";
import { Writer } from "../../../../broker/protocol/writer.ts";
import { fromHex, toHex } from "./kafka-bytes.ts";

/** A message that is flexible from version 1 on. */
function message<const F extends Parameters<typeof defineMessage>[1]>(fields: F) {
  return defineMessage(
    { name: "Test", apiKey: 99, kind: "request", versions: "0-1", flexible: 1 },
    fields,
  );
}

describe("decoded message", () => {
  it("shares nothing with another one, nor with the defaults", () => {
    const definition = message({
      one: struct("1+", { number: int32("0+", { default: 7 }), list: array("0+", int32("0+")) }),
      maybe: nullableStruct("1+", { number: int32("0+") }, { nullable: "1+" }),
      tagged: struct("1+", { number: int32("0+", { default: -1 }) }, { tag: 0 }),
      list: structs("1+", { number: int32("0+") }),
    });
    const first = definition.decode(new Uint8Array(0), 0, 0);
    assert(first.maybe !== null);
    first.one.number = 1;
    first.one.list.push(1);
    first.maybe.number = 1;
    first.tagged.number = 1;
    first.list.push({ number: 1 });
    assert.deepEqual(definition.decode(new Uint8Array(0), 0, 0), {
      one: { number: 7, list: [] },
      maybe: { number: 0 },
      tagged: { number: -1 },
      list: [],
    });
  });

  it("has the same shape in a response: currentLeader of two partitions are two objects", () => {
    const partition = { partitionIndex: 0, records: null };
    const { responses } = fetchResponse.decode(
      fetchResponse.encode({ responses: [{ partitions: [partition, partition] }] }, 16),
      0,
      16,
    );
    const [a, b] = responses[0]?.partitions ?? [];
    assert(a !== undefined && b !== undefined);
    assert.deepEqual(a.currentLeader, { leaderId: -1, leaderEpoch: -1 });
    assert.notEqual(a.currentLeader, b.currentLeader);
  });
});

describe("int64", () => {
  const definition = message({ value: int64("0+") });

  it("writes the largest, and every number nearer to it than to any below, as the largest", () => {
    for (const value of [INT64_MAX, 2 ** 63 - 1024, Infinity, Number(2n ** 63n - 1n)]) {
      assert.equal(toHex(definition.encode({ value }, 0)), "7fffffffffffffff");
    }
    assert.equal(toHex(definition.encode({ value: 2 ** 63 - 2048 }, 0)), "7ffffffffffff800");
  });

  it("reads the largest as INT64_MAX, above every number that is exact", () => {
    assert.deepEqual(definition.decode(fromHex("7fffffffffffffff"), 0, 0), { value: INT64_MAX });
    assert(INT64_MAX > Number.MAX_SAFE_INTEGER);
  });

  it("is exact for all safe numbers and at the lower end", () => {
    const cases: [number, string][] = [
      [0, "0000000000000000"],
      [-1, "ffffffffffffffff"],
      [-2, "fffffffffffffffe"],
      [4294967296, "0000000100000000"],
      [-4294967297, "fffffffeffffffff"],
      [Number.MAX_SAFE_INTEGER, "001fffffffffffff"],
      [Number.MIN_SAFE_INTEGER, "ffe0000000000001"],
      [-(2 ** 63), "8000000000000000"],
    ];
    for (const [value, bytes] of cases) {
      assert.equal(toHex(definition.encode({ value }, 0)), bytes);
      assert.deepEqual(definition.decode(fromHex(bytes), 0, 0), { value });
    }
  });

  it("keeps the high watermark of a fetch: none is sent for the largest, and none is read as it", () => {
    const request = (highWatermark?: number): Uint8Array =>
      fetchRequest.encode(
        {
          topics: [{ partitions: [highWatermark === undefined ? {} : { highWatermark }] }],
        },
        18,
      );
    const read = (bytes: Uint8Array): number | undefined =>
      fetchRequest.decode(bytes, 0, 18).topics[0]?.partitions[0]?.highWatermark;
    assert.equal(toHex(request(INT64_MAX)), toHex(request()));
    assert.equal(read(request()), INT64_MAX);
    assert.equal(read(request(Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER);
    assert.equal(read(request(5)), 5);
    // A client may send defaults too.
    const tagged = message({ highWatermark: int64("1+", { tag: 1, default: INT64_MAX }) });
    const explicit = tagged.decode(fromHex("01 01 08 7fffffffffffffff"), 0, 1);
    assert.deepEqual(explicit, { highWatermark: INT64_MAX });
    assert.equal(toHex(tagged.encode(explicit, 1)), "00");
  });
});

describe("null", () => {
  const cases = {
    string: message({ value: string("0+") }),
    bytes: message({ value: bytes("0+") }),
    records: message({ value: records("0+") }),
    array: message({ value: array("0+", int32("0+")) }),
    struct: message({ value: struct("0+", { a: int32("0+") }) }),
  };
  const nothing = { value: null } as never;

  for (const [name, strict] of Object.entries(cases)) {
    it(`is refused in ${name} that may not be null, when written`, () => {
      for (const version of [0, 1]) {
        assert.throws(
          () => strict.encode(nothing, version),
          (error) => error instanceof Error,
        );
      }
    });
  }

  it("is refused when read, where it may not be", () => {
    for (const [name, strict] of Object.entries(cases)) {
      if (name === "struct") continue;
      const plain = name === "string" ? "ffff" : "ffffffff";
      assert.throws(() => strict.decode(fromHex(plain), 0, 0), MalformedError, name);
      assert.throws(() => strict.decode(fromHex("0000"), 0, 1), MalformedError, name);
    }
  });

  it("is -1, or 0 in the compact encoding, where it may be", () => {
    const definition = message({
      text: nullableString("0+", { nullable: "0+" }),
      bytes: nullableBytes("0+", { nullable: "0+" }),
      list: nullableArray("0+", int32("0+"), { nullable: "0+" }),
      records: records("0+", { nullable: "0+" }),
      one: nullableStruct("0+", { a: int32("0+") }, { nullable: "0+", default: null }),
    });
    const value = { text: null, bytes: null, list: null, records: null, one: null };
    const written = { 0: "ffff ffffffff ffffffff ffffffff ff", 1: "00 00 00 00 ff 00" };
    for (const version of [0, 1] as const) {
      assert.equal(toHex(definition.encode(value, version)), toHex(fromHex(written[version])));
      assert.deepEqual(definition.decode(fromHex(written[version]), 0, version), value);
    }
  });
});

describe("tagged field", () => {
  const definition = message({
    plain: int32("0+"),
    list: array("1+", int32("0+"), { tag: 0 }),
    text: string("1+", { tag: 2, default: "none" }),
    one: struct("1+", { a: int32("0+"), list: array("0+", int32("0+")) }, { tag: 5 }),
  });

  it("is written in the order of the tags, and left out when it says nothing", () => {
    assert.equal(toHex(definition.encode({ plain: 1, list: [], text: "none" }, 1)), "0000000100");
    assert.equal(
      toHex(definition.encode({ plain: 1, one: { a: 2 }, text: "x", list: [3] }, 1)),
      toHex(fromHex("00000001 03  00 05 02 00000003  02 02 02 78  05 06 00000002 01 00")),
    );
  });

  it("is passed over when nobody knows it, whatever is in it", () => {
    const bytes = fromHex("00000001 03  01 03 ffffff  02 02 02 78  87ad4b 00");
    assert.deepEqual(definition.decode(bytes, 0, 1), {
      plain: 1,
      list: [],
      text: "x",
      one: { a: 0, list: [] },
    });
  });

  it("does not reach beyond its own length, though the message goes on", () => {
    // An array of four in a field that has room for one; enough bytes follow in the message.
    const array = fromHex("00000001 01  00 05 05 00000001 00000002 00000003 00000004");
    assert.throws(() => definition.decode(array, 0, 1), MalformedError);
    const text = fromHex("00000001 02  02 02 05 61  03 02 6262 00");
    assert.throws(() => definition.decode(text, 0, 1), MalformedError);
    // What an array claims is compared with the field before anything is read or allocated.
    const claim = fromHex(`00000001 01  00 02 8010 ${"00".repeat(3000)}`);
    assert.throws(() => definition.decode(claim, 0, 1), /array longer than its message/);
  });

  it("has to fill its length", () => {
    const bytes = fromHex("00000001 01  02 03 02 78 00");
    assert.throws(() => definition.decode(bytes, 0, 1), /another length/);
  });

  it("has to be whole", () => {
    const bytes = fromHex("00000001 01  02 7f 02 78");
    assert.throws(() => definition.decode(bytes, 0, 1), MalformedError);
  });
});

describe("array", () => {
  it("is refused when it claims more elements than bytes are left, before any is read", () => {
    const definition = message({ list: array("0+", int32("0+")) });
    assert.throws(() => definition.decode(fromHex("7fffffff 00000000"), 0, 0), MalformedError);
  });
});

describe("records field", () => {
  it("is a view of the frame when read, and its parts are not copied when written", () => {
    const parts = [new Uint8Array(200).fill(1), new Uint8Array(300).fill(2)];
    const value = { topicData: [{ name: "t", partitionData: [{ index: 0, records: parts }] }] };
    const sent = produceRequest.encodeParts(value, 9);
    assert(parts.every((part) => sent.includes(part)));
    const frame = produceRequest.encode(value, 9);
    const read = produceRequest.decode(frame, 0, 9).topicData[0]?.partitionData[0]?.records;
    assert(read !== null && read !== undefined);
    assert.equal(read.length, 500);
    assert.equal(read.buffer, frame.buffer);
  });
});

describe("varints", () => {
  const cases: [number, string][] = [
    [0, "00"],
    [-1, "01"],
    [63, "7e"],
    [-64, "7f"],
    [64, "8001"],
    [2147483647, "feffffff0f"],
    [-2147483648, "ffffffff0f"],
  ];
  it("are zigzag and as short as they can be", () => {
    for (const [value, bytes] of cases) {
      const writer = new Writer();
      writer.varint(value);
      assert.equal(toHex(Buffer.concat(writer.parts())), bytes);
      assert.equal(new Reader(fromHex(bytes)).varint(), value);
      assert.equal(new Reader(fromHex(bytes)).varlong(), value);
    }
  });
  it("are refused when they do not end", () => {
    assert.throws(() => new Reader(fromHex("ffffffffff0f")).uvarint(), MalformedError);
    assert.throws(() => new Reader(fromHex("ff".repeat(11))).varlong(), MalformedError);
    assert.throws(() => new Reader(fromHex("ff")).uvarint(), MalformedError);
  });
});
