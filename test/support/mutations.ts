import fc from "fast-check";
import { concatBytes } from "../../lib/bytes.ts";

/** One change of a byte string; places are taken modulo its length. */
export type Mutation =
  | { readonly kind: "set"; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | { readonly kind: "repeat"; readonly at: number; readonly length: number }
  | { readonly kind: "cut"; readonly at: number };

/** Lengths and numbers that decoders stumble over: largest, smallest, -1, 0, in all the widths of the protocol. */
const EDGES: readonly (readonly number[])[] = [
  [0],
  [0x7f],
  [0x80],
  [0xff],
  [0x7f, 0xff],
  [0xff, 0xff],
  [0x80, 0x00],
  [0x7f, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0, 0, 0, 0],
  [0, 0x10, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0, 0, 0, 0, 0],
];

const place = fc.nat(2 ** 20);
const some = fc.oneof(
  fc.constantFrom(...EDGES),
  fc.array(fc.nat(255), { minLength: 1, maxLength: 6 }),
);

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: place, bytes: some }),
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("insert" as const), at: place, bytes: some }),
  fc.record({ kind: fc.constant("remove" as const), at: place, length: fc.nat(40) }),
  fc.record({ kind: fc.constant("repeat" as const), at: place, length: fc.nat(300) }),
  fc.record({ kind: fc.constant("cut" as const), at: place }),
);

/** The bytes with one change made; the given ones stay as they are. */
export function mutate(bytes: Uint8Array, change: Mutation): Uint8Array {
  const at = change.at % (bytes.length + 1);
  switch (change.kind) {
    case "set": {
      const out = bytes.slice();
      for (const [i, byte] of change.bytes.entries()) if (at + i < out.length) out[at + i] = byte;
      return out;
    }
    case "flip": {
      const out = bytes.slice();
      if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << change.bit);
      return out;
    }
    case "insert":
      return concatBytes([
        bytes.subarray(0, at),
        Uint8Array.from(change.bytes),
        bytes.subarray(at),
      ]);
    case "remove":
      return concatBytes([bytes.subarray(0, at), bytes.subarray(at + change.length)]);
    case "repeat":
      return concatBytes([bytes.subarray(0, at + change.length), bytes.subarray(at)]);
    case "cut":
      return bytes.slice(0, at);
  }
}
