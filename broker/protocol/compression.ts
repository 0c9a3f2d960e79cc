import zlib from "node:zlib";
import { promisify } from "node:util";
import { createRequire } from "node:module";
import { concatBytes } from "../../lib/bytes.ts";
import { lz4OpenedBytes } from "./lz4-frame.ts";
import { MalformedError, Reader } from "./reader.ts";

/** Codec numbers of a batch's attributes: none, gzip, snappy, lz4, zstd. */
export type CompressionCodec = 0 | 1 | 2 | 3 | 4;

interface Snappy {
  compressSync(input: Uint8Array): Buffer;
  uncompressSync(input: Uint8Array, options: { asBuffer: true }): Buffer;
  compress(input: Uint8Array): Promise<Buffer>;
  uncompress(input: Uint8Array, options: { asBuffer: true }): Promise<Buffer>;
}
interface Lz4 {
  compressFrameSync(input: Uint8Array): Buffer;
  decompressFrameSync(input: Uint8Array): Buffer;
  compressFrame(input: Uint8Array): Promise<Buffer>;
  decompressFrame(input: Uint8Array): Promise<Buffer>;
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
/** Up to this many opened bytes the work takes less than a millisecond, and a hop to another thread costs more. */
const AT_ONCE_BYTES = 64 * 1024;

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
    throw unopened(error);
  }
}

/** `compress` on the thread pool, unless there is little to do. `bytes` must not change until it is done. */
export function compressAside(
  codec: CompressionCodec,
  bytes: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  if (bytes.length <= AT_ONCE_BYTES) return compress(codec, bytes);
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return promisify(zlib.gzip)(bytes);
    case 2:
      return snappy().compress(bytes);
    case 3:
      return lz4().compressFrame(bytes);
    case 4:
      return promisify(zlib.zstdCompress)(bytes);
  }
}

/** `decompress` on the thread pool, unless there is little to do. `bytes` must not change until it is done. */
export async function decompressAside(
  codec: number,
  bytes: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  if (bytes.length <= AT_ONCE_BYTES) {
    try {
      return decompress(codec, bytes, Math.min(maxBytes, AT_ONCE_BYTES));
    } catch (error) {
      // It may only open to more than that.
      if (!(error instanceof MalformedError)) throw error;
    }
  }
  try {
    switch (codec) {
      case 1:
        return await promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip)(bytes, {
          maxOutputLength: maxBytes,
        });
      case 2:
        return await openSnappyAside(bytes, maxBytes);
      case 3:
        lz4OpenedBytes(bytes, maxBytes);
        return await lz4().decompressFrame(bytes);
      case 4:
        return await promisify<Uint8Array, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress)(bytes, {
          maxOutputLength: maxBytes,
        });
      default:
        return decompress(codec, bytes, maxBytes);
    }
  } catch (error) {
    if (error instanceof MalformedError) throw error;
    throw unopened(error);
  }
}

function unopened(error: unknown): MalformedError {
  return new MalformedError(`compressed records cannot be opened: ${String(error)}`);
}

function openSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  return joined(
    snappyBlocks(bytes, maxBytes).map((block) =>
      snappy().uncompressSync(block, { asBuffer: true }),
    ),
  );
}

async function openSnappyAside(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const opened: Uint8Array[] = [];
  for (const block of snappyBlocks(bytes, maxBytes)) {
    opened.push(await snappy().uncompress(block, { asBuffer: true }));
  }
  return joined(opened);
}

/** Without a copy when there is only one. */
function joined(blocks: readonly Uint8Array[]): Uint8Array {
  const [only] = blocks;
  return blocks.length === 1 && only !== undefined ? only : concatBytes(blocks);
}

/** The raw blocks of Java's framing, or the one there is. */
function snappyBlocks(bytes: Uint8Array, maxBytes: number): Buffer[] {
  if (bytes.length < XERIAL_HEADER_BYTES || !XERIAL_MAGIC.equals(bytes.subarray(0, 8))) {
    snappyOpenedBytes(bytes, maxBytes);
    return [Buffer.from(bytes)];
  }
  const reader = new Reader(bytes, XERIAL_HEADER_BYTES);
  const blocks: Buffer[] = [];
  let total = 0;
  while (reader.remaining > 0) {
    const block = reader.view(reader.int32());
    total += snappyOpenedBytes(block, maxBytes - total);
    blocks.push(Buffer.from(block));
  }
  return blocks;
}

/** A raw block begins with the length it opens to, so a bomb is refused before it is opened. */
function snappyOpenedBytes(block: Uint8Array, maxBytes: number): number {
  const length = new Reader(block).uvarint();
  if (length > maxBytes) throw new MalformedError("compressed records open to too much");
  // The decoder allocates what is claimed: a few bytes must not make it take hundreds of megabytes.
  if (length > block.length * SNAPPY_MAX_RATIO) throw new MalformedError("snappy block's length");
  return length;
}

/** The decoder has no bound of its own: what the frame opens to is added up before it is called. */
function openLz4(bytes: Uint8Array, maxBytes: number): Uint8Array {
  lz4OpenedBytes(bytes, maxBytes);
  return lz4().decompressFrameSync(bytes);
}
