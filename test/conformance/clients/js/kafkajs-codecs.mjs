// kafkajs compresses with gzip only; the others are given to it as its documentation says.
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import zlib from "node:zlib";

const load = createRequire(import.meta.url);
const snappy = load("snappy");
const lz4 = load("lz4-napi");

/** Java's framing of snappy, which is how kafkajs' own plugin writes it: a header, then one block with its length. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);

export const codecs = {
  snappy: {
    compress: async (encoder) => {
      const block = await snappy.compress(encoder.buffer);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(block.length);
      return Buffer.concat([XERIAL, length, block]);
    },
    decompress: (bytes) => snappy.uncompress(bytes.subarray(XERIAL.length + 4)),
  },
  lz4: {
    compress: async (encoder) => lz4.compressFrameSync(encoder.buffer),
    decompress: async (bytes) => lz4.decompressFrameSync(bytes),
  },
  zstd: {
    compress: async (encoder) => zlib.zstdCompressSync(encoder.buffer),
    decompress: async (bytes) => zlib.zstdDecompressSync(bytes),
  },
};
