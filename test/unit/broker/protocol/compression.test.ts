import assert from "node:assert/strict";
import { createRequire } from "node:module";
import {
  compress,
  compressAside,
  decompress,
  decompressAside,
  type CompressionCodec,
} from "../../../../broker/protocol/compression.ts";
import { lz4OpenedBytes } from "../../../../broker/protocol/lz4-frame.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";

const codecs: Record<string, CompressionCodec> = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

/** Text that neither repeats at once nor is random: every kind of sequence comes up. */
function words(length: number): Buffer {
  const out: string[] = [];
  for (let i = 0, n = 0; n < length; i++) {
    const word = `${"offset key value header".split(" ")[(i * i) % 4] ?? ""}-${(i * 7919) % 1013} `;
    out.push(word);
    n += word.length;
  }
  return Buffer.from(out.join("").slice(0, length));
}

/** A frame without checksums, of blocks given as they are; its header's checksum is left wrong. */
function frame(...blocks: readonly (readonly number[])[]): Uint8Array {
  const parts = [Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x00])];
  for (const block of blocks) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    parts.push(size, Buffer.from(block));
  }
  parts.push(Buffer.alloc(4));
  return Buffer.concat(parts);
}

describe("compression", () => {
  for (const [name, codec] of Object.entries(codecs)) {
    it(`${name}: opens to exactly the bound, and refuses one byte more`, () => {
      for (const length of [0, 1, 300, 65_536, 300_001]) {
        const plain = words(length);
        const packed = compress(codec, plain);
        assert.deepEqual(Buffer.from(decompress(codec, packed, Math.max(1, length))), plain);
        if (length > 1) assert.throws(() => decompress(codec, packed, length - 1), MalformedError);
      }
    });

    it(`${name}: does the same aside, small and large`, async () => {
      for (const length of [1, 300, 65_536, 65_537, 300_001]) {
        const plain = words(length);
        const packed = await compressAside(codec, plain);
        assert.deepEqual(Buffer.from(decompress(codec, packed, length)), plain);
        assert.deepEqual(Buffer.from(await decompressAside(codec, packed, length)), plain);
        if (length > 1)
          await assert.rejects(decompressAside(codec, packed, length - 1), MalformedError);
        const cut = packed.subarray(0, packed.length >> 1);
        await assert.rejects(decompressAside(codec, cut, length), MalformedError);
      }
      const bomb = compress(codec, Buffer.alloc(8 * 1024 * 1024));
      await assert.rejects(decompressAside(codec, bomb, 1024 * 1024), MalformedError);
    });

    it(`${name}: refuses a small batch that opens to very much`, () => {
      const bomb = compress(codec, Buffer.alloc(8 * 1024 * 1024));
      assert(bomb.length < 500_000);
      assert.throws(() => decompress(codec, bomb, 1024 * 1024), MalformedError);
    });

    it(`${name}: throws nothing but MalformedError on bytes cut short or changed`, () => {
      const packed = compress(codec, words(2000));
      for (let at = 0; at < packed.length; at += 3) {
        assert.throws(() => decompress(codec, packed.subarray(0, at), 1e6), MalformedError);
        const changed = Uint8Array.from(packed);
        changed[at] = (changed[at] ?? 0) ^ 0xff;
        try {
          decompress(codec, changed, 1e6);
        } catch (error) {
          assert(error instanceof MalformedError, String(error));
        }
      }
    });
  }

  it("refuses codecs that do not exist", () => {
    assert.throws(() => decompress(5, new Uint8Array(10), 100), MalformedError);
  });

  it("snappy: opens Java's framing of several blocks, and bounds them together", () => {
    const { compressSync } = createRequire(import.meta.url)("snappy") as {
      compressSync(input: Uint8Array): Buffer;
    };
    const plain = words(5000);
    const parts: Uint8Array[] = [Buffer.from("82534e4150505900" + "00000001" + "00000001", "hex")];
    for (let at = 0; at < plain.length; at += 2000) {
      const block = compressSync(plain.subarray(at, at + 2000));
      const size = Buffer.alloc(4);
      size.writeInt32BE(block.length);
      parts.push(size, block);
    }
    const packed = Buffer.concat(parts);
    assert.deepEqual(Buffer.from(decompress(2, packed, 5000)), plain);
    assert.throws(() => decompress(2, packed, 4999), /open to too much/);
  });

  it("snappy: refuses a claim that its bytes cannot hold, before anything is allocated for it", () => {
    // The length 0x0fffffff, then a literal of one byte.
    const claim = Uint8Array.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x61]);
    assert.throws(() => decompress(2, claim, 2 ** 28), /length/);
  });
});

describe("lz4 frame", () => {
  it("is measured without being opened, whatever its block size", () => {
    for (const length of [0, 1, 15, 16, 270, 65_536, 65_537, 1_000_000]) {
      assert.equal(lz4OpenedBytes(compress(3, words(length)), length), length);
      assert.equal(lz4OpenedBytes(compress(3, Buffer.alloc(length)), length), length);
    }
  });

  it("is refused before it is opened, not after", () => {
    // One literal, then a match at distance 0, which no decoder opens: the bound has to be found before that.
    const bomb = [0x1f, 0x61, 0x00, 0x00, ...Array.from({ length: 100 }, () => 255), 0];
    assert.throws(() => decompress(3, frame(bomb), 1000), /open to too much/);
    assert.throws(() => decompress(3, frame(bomb), 1e6), /cannot be opened/);
  });

  it("is refused when a block opens to more than the frame's largest block", () => {
    const block = [0x1f, 0x61, 0x01, 0x00, ...Array.from({ length: 300 }, () => 255), 0];
    assert.throws(() => lz4OpenedBytes(frame(block), 1e9), /more than its frame allows/);
  });

  it("is refused when its content size is over the bound", () => {
    const claim = Buffer.alloc(15);
    claim.writeUInt32LE(0x184d2204, 0);
    claim[4] = 0x68;
    claim[5] = 0x40;
    claim.writeBigUInt64LE(2n ** 40n, 6);
    assert.throws(() => lz4OpenedBytes(claim, 1e9), /open to too much/);
  });

  it("is one frame: nothing before, after or instead of it", () => {
    const whole = compress(3, words(100));
    for (const bytes of [
      Buffer.concat([whole, whole]),
      Buffer.concat([whole, Buffer.from([0])]),
      Buffer.concat([Buffer.from("502a4d1800000000", "hex"), whole]),
      Buffer.from("02214c1800000000", "hex"),
    ]) {
      assert.throws(() => decompress(3, bytes, 1e6), MalformedError);
    }
  });
});
