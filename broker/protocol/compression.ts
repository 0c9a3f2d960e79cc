import zlib from "node:zlib";
import { createRequire } from "node:module";
import { concatBytes } from "../../lib/bytes.ts";
import { lz4OpenedBytes } from "./lz4-frame.ts";
import { MalformedError, Reader } from "./reader.ts";

/** Codec numbers of a batch's attributes: none, gzip, snappy, lz4, zstd. */
export type CompressionCodec = 0 | 1 | 2 | 3 | 4;

interface Snappy {
  compressSync(input: Uint8Array): Buffer;
  uncompressSync(input: Uint8Array, options: { asBuffer: true }): Buffer;
}
interface Lz4 {
  compressFrameSync(input: Uint8Array): Buffer;
  decompressFrameSync(input: Uint8Array): Buffer;
}

// Loaded at first use: a broker that never opens a batch never pays for them.
const load = createRequire(import.meta.url);
let snappyModule: Snappy | undefined;
let lz4Module: Lz4 | undefined;
const snappy = (): Snappy => (snappyModule ??= load("snappy") as Snappy);
const lz4 = (): Lz4 => (lz4Module ??= load("lz4-napi") as Lz4);

/** Java's framing of snappy: this magic, two versions, then length-prefixed blocks. librdkafka sends one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
/** The densest element of a block is a copy of 64 bytes in three. */
const SNAPPY_MAX_RATIO = 22;

export function compress(codec: CompressionCodec, bytes: Uint8Array): Uint8Array {
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return zlib.gzipSync(bytes);
    case 2:
      return snappy().compressSync(bytes);
    case 3:
      return lz4().compressFrameSync(bytes);
    case 4:
      return zlib.zstdCompressSync(bytes);
  }
}

/** Throws MalformedError on what cannot be opened, or would open to more than `maxBytes`. */
export function decompress(codec: number, bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    switch (codec) {
      case 0:
        return bytes;
      case 1:
        return zlib.gunzipSync(bytes, { maxOutputLength: maxBytes });
      case 2:
        return openSnappy(bytes, maxBytes);
      case 3:
        return openLz4(bytes, maxBytes);
      case 4:
        return zlib.zstdDecompressSync(bytes, { maxOutputLength: maxBytes });
      default:
        throw new MalformedError(`compression codec ${String(codec)}`);
    }
  } catch (error) {
    if (error instanceof MalformedError) throw error;
    throw new MalformedError(`compressed records cannot be opened: ${String(error)}`);
  }
}

function openSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length < XERIAL_HEADER_BYTES || !XERIAL_MAGIC.equals(bytes.subarray(0, 8))) {
    return openSnappyBlock(bytes, maxBytes);
  }
  const reader = new Reader(bytes, XERIAL_HEADER_BYTES);
  const blocks: Uint8Array[] = [];
  let total = 0;
  while (reader.remaining > 0) {
    const block = openSnappyBlock(reader.view(reader.int32()), maxBytes - total);
    total += block.length;
    blocks.push(block);
  }
  return concatBytes(blocks);
}

/** A raw block begins with the length it opens to, so a bomb is refused before it is opened. */
function openSnappyBlock(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const length = new Reader(bytes).uvarint();
  if (length > maxBytes) throw new MalformedError("compressed records open to too much");
  // The decoder allocates what is claimed: a few bytes must not make it take hundreds of megabytes.
  if (length > bytes.length * SNAPPY_MAX_RATIO) throw new MalformedError("snappy block's length");
  return snappy().uncompressSync(Buffer.from(bytes), { asBuffer: true });
}

/** The decoder has no bound of its own: what the frame opens to is added up before it is called. */
function openLz4(bytes: Uint8Array, maxBytes: number): Uint8Array {
  lz4OpenedBytes(bytes, maxBytes);
  return lz4().decompressFrameSync(bytes);
}
