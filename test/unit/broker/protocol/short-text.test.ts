import assert from "node:assert/strict";
import { Reader } from "../../../../broker/protocol/reader.ts";
import { SHORT_TEXT_BYTES, shortText } from "../../../../broker/protocol/short-text.ts";

describe("short text", () => {
  it("is what the bytes say, whatever was read before", () => {
    // Many more than are remembered, so that places are taken from one another; each of them twice.
    const texts = Array.from({ length: 5000 }, (_, i) => `topic-${(i * 7919) % 2500}`);
    for (const text of texts) {
      const bytes = Buffer.from(`>${text}<`);
      assert.equal(shortText(bytes, 1, text.length), text);
    }
    assert.equal(shortText(Buffer.from("x"), 0, 0), "");
  });

  it("tells texts of one hash apart", () => {
    // 31 * "A" + "b" is 31 * "B" + "C".
    for (const text of ["Ab", "BC", "Ab", "BC"]) {
      assert.equal(shortText(Buffer.from(text), 0, 2), text);
    }
  });

  it("is no view of the frame", () => {
    const frame = Buffer.from("orders");
    const text = shortText(frame, 0, 6);
    frame.fill("x");
    assert.equal(text, "orders");
  });

  it("leaves what is not ASCII to the decoder", () => {
    const bytes = Buffer.from("größe");
    assert.equal(shortText(bytes, 0, bytes.length), undefined);
    assert.equal(new Reader(bytes).utf8(bytes.length), "größe");
    const long = "n".repeat(SHORT_TEXT_BYTES + 1);
    assert.equal(new Reader(Buffer.from(long)).utf8(long.length), long);
    assert.equal(new Reader(Buffer.from("abc")).utf8(3), "abc");
  });
});
