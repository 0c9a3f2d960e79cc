import assert from "node:assert/strict";
import fc from "fast-check";
import { OffsetMap } from "../../../../../broker/log/compaction/offset-map.ts";
import { runs } from "../../../../support/runs.ts";

describe("offset map", () => {
  it("knows of each key the offset put in last, and of no other key any", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 3 }), { maxLength: 500, size: "max" }),
        fc.array(fc.string({ maxLength: 3 }), { maxLength: 20 }),
        (keys, others) => {
          const map = new OffsetMap(1 << 20, keys.length);
          const model = new Map<string, number>();
          for (const [offset, key] of keys.entries()) {
            assert.equal(map.put(Buffer.from(key), offset), true);
            model.set(key, offset);
          }
          assert.equal(map.size, model.size);
          for (const key of [...keys, ...others]) {
            assert.equal(map.get(Buffer.from(key)), model.get(key) ?? -1);
          }
        },
      ),
      runs(100),
    );
  });

  it("refuses new keys when it is full, and still takes known ones", () => {
    const map = new OffsetMap(24 * 20);
    let taken = 0;
    while (map.put(Buffer.from(`key-${taken}`), taken)) taken++;
    assert.equal(taken, 18);
    assert.equal(map.capacity, 18);
    assert.equal(map.put(Buffer.from("key-0"), 1000), true);
    assert.equal(map.get(Buffer.from("key-0")), 1000);
    assert.equal(map.get(Buffer.from("key-18")), -1);
    assert.equal(map.get(Buffer.from("key-17")), 17);
  });

  it("reserves no more than the keys that may come need", () => {
    assert.equal(new OffsetMap(1 << 30, 10).capacity, 12);
    assert.equal(new OffsetMap(0, 10).capacity >= 1, true);
  });
});
