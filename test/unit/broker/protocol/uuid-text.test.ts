import assert from "node:assert/strict";
import fc from "fast-check";
import { uuidBytesOf, uuidTextAt } from "../../../../broker/protocol/uuid-text.ts";

describe("uuids", () => {
  it("are the same behind text and back, also when ids take each other's places", () => {
    // Few values of the last bytes, so that many ids meet in one place.
    const id = fc
      .tuple(fc.uint8Array({ minLength: 14, maxLength: 14 }), fc.constantFrom(0, 1), fc.constant(7))
      .map(([head, a, b]) => Uint8Array.from([...head, a, b]));
    fc.assert(
      fc.property(fc.array(id, { minLength: 2, maxLength: 20, size: "max" }), (ids) => {
        for (const bytes of [...ids, ...ids]) {
          const text = uuidTextAt(Uint8Array.from([9, ...bytes, 9]), 1);
          assert.match(text, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
          assert.equal(text.replaceAll("-", ""), Buffer.from(bytes).toString("hex"));
          assert.deepEqual(uuidBytesOf(text), bytes);
        }
      }),
    );
  });

  it("remember no more than their places, whatever comes", () => {
    for (let i = 0; i < 5000; i++) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setUint32(12, i);
      assert.deepEqual(uuidBytesOf(uuidTextAt(bytes, 0)), bytes);
    }
  });

  it("are refused when they are none", () => {
    assert.throws(() => uuidBytesOf("not one"));
  });
});
