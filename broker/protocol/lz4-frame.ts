import { MalformedError } from "./reader.ts";

const MAGIC = 0x184d2204;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_DICTIONARY = 0x01;
const BLOCK_IS_PLAIN = 0x80000000;
const CHECKSUM_BYTES = 4;
const MIN_MATCH_BYTES = 4;
/** A length's extension: each such byte adds itself, and one below it ends the length. */
const MORE = 255;

/**
 * How many bytes an LZ4 frame (format 1.6) opens to, found by adding up the lengths of its sequences, without opening
 * it: a few bytes of a frame may stand for 255 times as many, and the decoder knows no bound. (pure)
 *
 * Only what clients send is taken: one frame, nothing after it; no legacy or skippable frames, no dictionaries.
 * Throws MalformedError on any other, on a frame cut short, and as soon as it is known to open to more than `maxBytes`.
 */
export function lz4OpenedBytes(bytes: Uint8Array, maxBytes: number): number {
  const frame = frameHeader(bytes);
  if (frame.contentBytes !== undefined && frame.contentBytes > maxBytes) throw tooMuch();
  let total = 0;
  let at = frame.firstBlock;
  for (;;) {
    const head = uint32(bytes, at);
    at += 4;
    if (head === 0) break;
    const size = head % BLOCK_IS_PLAIN;
    if (size > frame.maxBlockBytes || size > bytes.length - at)
      throw new MalformedError("lz4 block size");
    const opened = head >= BLOCK_IS_PLAIN ? size : blockBytes(bytes, at, at + size);
    if (opened > frame.maxBlockBytes)
      throw new MalformedError("lz4 block opens to more than its frame allows");
    total += opened;
    if (total > maxBytes) throw tooMuch();
    at += size + (frame.blockChecksum ? CHECKSUM_BYTES : 0);
  }
  at += frame.contentChecksum ? CHECKSUM_BYTES : 0;
  if (at !== bytes.length) throw new MalformedError("lz4 frame of another length");
  return total;
}

interface FrameHeader {
  readonly firstBlock: number;
  readonly maxBlockBytes: number;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
  readonly contentBytes: number | undefined;
}

function frameHeader(bytes: Uint8Array): FrameHeader {
  if (uint32(bytes, 0) !== MAGIC) throw new MalformedError("not an lz4 frame");
  const flags = bytes[4] ?? 0;
  const sizeCode = ((bytes[5] ?? 0) >> 4) & 0x07;
  if (flags >> 6 !== 1 || sizeCode < 4) throw new MalformedError("lz4 frame descriptor");
  if ((flags & FLAG_DICTIONARY) !== 0) throw new MalformedError("lz4 frame with a dictionary");
  const sized = (flags & FLAG_CONTENT_SIZE) !== 0;
  return {
    // Magic, flags, block size code, the content's size if given, checksum of the header.
    firstBlock: 4 + 2 + (sized ? 8 : 0) + 1,
    // 64 KiB, 256 KiB, 1 MiB or 4 MiB.
    maxBlockBytes: 1 << (8 + 2 * sizeCode),
    blockChecksum: (flags & FLAG_BLOCK_CHECKSUM) !== 0,
    contentChecksum: (flags & FLAG_CONTENT_CHECKSUM) !== 0,
    contentBytes: sized ? uint32(bytes, 6) + uint32(bytes, 10) * 4294967296 : undefined,
  };
}

/** Literals and matches of the sequences in [at, end). */
function blockBytes(bytes: Uint8Array, start: number, end: number): number {
  let total = 0;
  let at = start;
  while (at < end) {
    const token = bytes[at++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) {
      let more = MORE;
      while (more === MORE && at < end) {
        more = bytes[at++] ?? 0;
        literals += more;
      }
    }
    at += literals;
    total += literals;
    // The last sequence has no match.
    if (at >= end) break;
    at += 2;
    let match = (token & 0x0f) + MIN_MATCH_BYTES;
    if ((token & 0x0f) === 15) {
      let more = MORE;
      while (more === MORE && at < end) {
        more = bytes[at++] ?? 0;
        match += more;
      }
    }
    total += match;
  }
  if (at !== end) throw new MalformedError("lz4 block cut short");
  return total;
}

function uint32(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw new MalformedError("lz4 frame cut short");
  return (
    (bytes[at] ?? 0) +
    (bytes[at + 1] ?? 0) * 2 ** 8 +
    (bytes[at + 2] ?? 0) * 2 ** 16 +
    (bytes[at + 3] ?? 0) * 2 ** 24
  );
}

function tooMuch(): MalformedError {
  return new MalformedError("compressed records open to too much");
}
