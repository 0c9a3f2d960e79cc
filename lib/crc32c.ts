import { createRequire } from "node:module";
import { type Fold, FOLD_BYTES, FOLDED_BYTES, folds } from "./crc32c-fold.ts";
import { wasmMemoryOf } from "./page-memory.ts";
import type { WasmMemory } from "./wasm.ts";

type NativeChecksum = (bytes: Uint8Array, seed: number) => number;
export type Checksum = (bytes: Uint8Array, start?: number, end?: number, seed?: number) => number;

/** Below this length the call into the native routine costs more than the plain one. */
const NATIVE_FROM = 128;
/** Below this length what is left after shortening is too much of it. */
const FOLD_FROM = 8 * 1024;
const BLOCK_BYTES = 16;

const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    const first = tables[0];
    if (first !== undefined) first[n] = crc >>> 0;
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 8; k++) {
      const before = tables[k - 1]?.[n] ?? 0;
      const table = tables[k];
      if (table !== undefined)
        table[n] = ((tables[0]?.[before & 0xff] ?? 0) ^ (before >>> 8)) >>> 0;
    }
  }
  return tables;
}

/** CRC-32C (Castagnoli), slicing by eight. `seed` continues an earlier checksum. */
export function crc32cPlain(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as readonly [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const at = (index: number): number => bytes[index] ?? 0;
  let crc = ~seed;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    const low = crc ^ (at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24));
    crc =
      (t7[low & 0xff] ?? 0) ^
      (t6[(low >>> 8) & 0xff] ?? 0) ^
      (t5[(low >>> 16) & 0xff] ?? 0) ^
      (t4[low >>> 24] ?? 0) ^
      (t3[at(i + 4)] ?? 0) ^
      (t2[at(i + 5)] ?? 0) ^
      (t1[at(i + 6)] ?? 0) ^
      (t0[at(i + 7)] ?? 0);
  }
  for (; i < end; i++) crc = (t0[(crc ^ at(i)) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * The quickest routine there is: the native one that `load` gives, for all but short pieces, or the plain one alone if
 * that cannot be loaded, as on a platform it was not built for (seven times slower).
 */
export function crc32cWith(load: () => { readonly crc32c: NativeChecksum }): Checksum {
  let native: NativeChecksum;
  try {
    native = load().crc32c;
  } catch {
    return (bytes, start = 0, end = bytes.length, seed = 0) => crc32cPlain(bytes, start, end, seed);
  }
  return (bytes, start = 0, end = bytes.length, seed = 0) => {
    if (end - start < NATIVE_FROM) return crc32cPlain(bytes, start, end, seed);
    const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    return native(view, seed) >>> 0;
  };
}

/**
 * The same, of what lies in `pageMemory` in half the time: there it is shortened first.
 * @param makeFolds throws where that cannot be done
 */
export function crc32cFolding(
  checksum: Checksum,
  makeFolds: () => (memory: WasmMemory) => Fold,
): Checksum {
  let foldFor: (memory: WasmMemory) => Fold;
  try {
    foldFor = makeFolds();
  } catch {
    return checksum;
  }
  const known = new WeakMap<ArrayBufferLike, Fold>();
  const foldOf = (buffer: ArrayBufferLike): Fold | undefined => {
    const found = known.get(buffer);
    if (found !== undefined) return found;
    const memory = wasmMemoryOf(buffer);
    if (memory === undefined) return undefined;
    const fold = foldFor(memory);
    known.set(buffer, fold);
    return fold;
  };
  return (bytes, start = 0, end = bytes.length, seed = 0) => {
    const fold = end - start < FOLD_FROM ? undefined : foldOf(bytes.buffer);
    if (fold === undefined) return checksum(bytes, start, end, seed);
    let at = start;
    let sum = seed;
    while (end - at >= FOLD_FROM) {
      const length = Math.min(end - at, FOLD_BYTES) & -BLOCK_BYTES;
      // The state of a checksum is its complement, and here it is in the bytes already.
      const left = fold(bytes.byteOffset + at, length / BLOCK_BYTES, ~sum);
      sum = checksum(left, 0, FOLDED_BYTES, 0xffff_ffff);
      at += length;
    }
    return checksum(bytes, at, end, sum);
  };
}

/** CRC-32C of bytes [start, end); `seed` is the checksum of what came before. */
export const crc32c: Checksum = crc32cFolding(
  crc32cWith(
    () => createRequire(import.meta.url)("@node-rs/crc32") as { readonly crc32c: NativeChecksum },
  ),
  folds,
);
