import assert from "node:assert/strict";
import { crc32c, crc32cPlain, crc32cWith } from "../../../lib/crc32c.ts";

const digits = Buffer.from("123456789");
const long = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37) % 256));

describe("CRC-32C", () => {
  it("is the known value for known bytes (RFC 3720, B.4)", () => {
    const cases: [Uint8Array, number][] = [
      [digits, 0xe3069283],
      [new Uint8Array(32), 0x8a9136aa],
      [new Uint8Array(32).fill(0xff), 0x62a8ab43],
      [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
      [Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
      [new Uint8Array(0), 0],
    ];
    for (const [bytes, sum] of cases) assert.equal(crc32c(bytes), sum);
  });

  it("is taken by the plain routine when the native module cannot be loaded", () => {
    const fallback = crc32cWith(() => {
      throw new Error("Cannot find native binding");
    });
    assert.equal(fallback(digits), 0xe3069283);
    assert.equal(fallback(long), crc32c(long));
    assert.equal(fallback(long, 200, 900, 77), crc32c(long, 200, 900, 77));
  });

  it("is taken by the native routine of the very bytes asked for, but for short pieces", () => {
    const asked: string[] = [];
    const counting = crc32cWith(() => ({
      crc32c: (bytes, seed) => {
        asked.push(`${bytes.byteOffset - long.byteOffset}+${bytes.length} after ${seed}`);
        return crc32cPlain(bytes, 0, bytes.length, seed);
      },
    }));
    assert.equal(counting(long, 10, 20), crc32cPlain(long, 10, 20, 0));
    assert.deepEqual(asked, []);
    assert.equal(counting(long, 100, 700, 5), crc32cPlain(long, 100, 700, 5));
    assert.deepEqual(asked, ["100+600 after 5"]);
  });

  it("of a whole is that of its pieces, one after the other", () => {
    for (const cut of [0, 1, 8, 127, 128, 500, 1000]) {
      assert.equal(crc32c(long, cut, 1000, crc32c(long, 0, cut)), crc32c(long));
    }
  });
});
