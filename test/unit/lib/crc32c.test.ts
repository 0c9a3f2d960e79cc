import assert from "node:assert/strict";
import { crc32c, crc32cFolding, crc32cPlain, crc32cWith } from "../../../lib/crc32c.ts";
import { folds } from "../../../lib/crc32c-fold.ts";
import { pageMemory } from "../../../lib/page-memory.ts";

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

  it("of what lies in page memory is the plain one's, wherever it begins and ends", () => {
    const memory = pageMemory(600_000).subarray(4096);
    let word = 1;
    for (let i = 0; i < memory.length; i++) {
      word = (Math.imul(word, 1_103_515_245) + 12_345) >>> 0;
      memory[i] = word >>> 24;
    }
    const lengths = [0, 8191, 8192, 8193, 9000, 16_400, 65_536, 131_072, 139_263, 139_265, 500_001];
    for (const length of lengths) {
      for (const start of [0, 1, 16, 61]) {
        const end = start + length;
        for (const seed of [0, 77, 0xffff_ffff]) {
          assert.equal(
            crc32c(memory, start, end, seed),
            crc32cPlain(memory, start, end, seed),
            `[${start}, ${end}) after ${seed}`,
          );
        }
      }
    }
  });

  it("is taken of a shortened copy in page memory only, and of long pieces only", () => {
    const lengths: number[] = [];
    const noting = crc32cFolding((bytes, start = 0, end = bytes.length, seed = 0) => {
      lengths.push(end - start);
      return crc32cPlain(bytes, start, end, seed);
    }, folds);
    const memory = pageMemory(65_536);
    noting(memory);
    assert.deepEqual(lengths.splice(0), [209 * 16, 0]);
    noting(memory, 0, 8191);
    noting(new Uint8Array(65_536));
    assert.deepEqual(lengths, [8191, 65_536]);
  });

  it("is taken as ever where WebAssembly lacks what shortening needs", () => {
    const plain = crc32cWith(() => {
      throw new Error("Cannot find native binding");
    });
    const without = crc32cFolding(plain, () => {
      throw new Error("invalid opcode");
    });
    assert.equal(without, plain);
  });
});
