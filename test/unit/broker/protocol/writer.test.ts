import assert from "node:assert/strict";
import { isShortAscii } from "../../../../broker/protocol/short-text.ts";
import { Writer } from "../../../../broker/protocol/writer.ts";
import { toHex } from "./kafka-bytes.ts";

function hexOf(writer: Writer): string {
  return toHex(Buffer.concat(writer.parts()));
}

describe("writers, of which one goes on in the memory of the one before", () => {
  it("leave alone what others have written", () => {
    const kept = Array.from({ length: 300 }, (_, number) => {
      const writer = new Writer();
      writer.int32(number);
      writer.text(new Uint8Array(number % 50).fill(number));
      return writer.parts();
    });
    for (const [number, parts] of kept.entries()) {
      const expected = Buffer.alloc(4 + (number % 50), number % 256);
      expected.writeInt32BE(number);
      assert.equal(toHex(Buffer.concat(parts)), toHex(expected));
    }
    const memories = new Set(kept.flatMap((parts) => parts.map(({ buffer }) => buffer)));
    assert(memories.size < 10, `${memories.size} pieces of memory for 300 writers`);
  });

  it("do not meet when one is begun within another", () => {
    const outer = new Writer();
    outer.int32(1);
    const inner = new Writer();
    inner.int32(2);
    outer.int32(3);
    const innerBytes = hexOf(inner);
    const next = new Writer();
    next.int32(4);
    outer.int32(5);
    assert.deepEqual(
      [innerBytes, hexOf(next), hexOf(outer)],
      ["00000002", "00000004", "000000010000000300000005"],
    );
  });

  it("go on in memory of their own when one is begun within another each time", () => {
    const memories = new Set<ArrayBufferLike>();
    for (let number = 1; number <= 300; number++) {
      const outer = new Writer();
      outer.int32(number);
      const inner = new Writer();
      inner.int32(-number);
      const parts = [...inner.parts(), ...outer.parts()];
      for (const { buffer } of parts) memories.add(buffer);
      const values = parts.map((part) => Buffer.from(part).readInt32BE());
      assert.deepEqual(values, [-number, number]);
    }
    assert(memories.size < 10, `${memories.size} pieces of memory for 600 writers`);
  });

  it("write short texts as they write others: UTF-8", () => {
    for (const text of ["", "a", "caf\u00e9", "x".repeat(63), "x".repeat(64), "\u{1f4e6}"]) {
      const writer = new Writer();
      if (isShortAscii(text)) writer.ascii(text);
      else writer.text(Writer.utf8(text));
      assert.equal(hexOf(writer), toHex(Buffer.from(text)));
    }
    assert.deepEqual(
      ["", "x".repeat(63), "x".repeat(64), "caf\u00e9", "\u0100"].map(isShortAscii),
      [true, true, false, false, false],
    );
  });

  it("move to memory that is large enough, with what they have", () => {
    const writer = new Writer();
    writer.int32(7);
    for (let i = 0; i < 100; i++) writer.text(new Uint8Array(100).fill(i));
    const bytes = Buffer.concat(writer.parts());
    assert.equal(bytes.length, 10_004);
    assert.equal(bytes.readInt32BE(0), 7);
    assert.equal(bytes[10_003], 99);
  });
});
