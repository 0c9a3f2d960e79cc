import { assert } from "../../lib/assert.ts";

/** The same few ids come with every request: those seen last are remembered, each in the place that its last bytes say. */
const PLACES = 1024;
const texts: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] =
  new Array<undefined>(PLACES).fill(undefined);
const encoded = new Map<string, Uint8Array>();

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

/** The id in the 16 bytes from `at`, with hyphens; the same string each time while it is remembered. */
export function uuidTextAt(bytes: Uint8Array, at: number): string {
  const place = (((bytes[at + 14] ?? 0) << 8) | (bytes[at + 15] ?? 0)) % PLACES;
  const known = texts[place];
  if (known !== undefined && isAt(known.bytes, bytes, at)) return known.text;
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += HEX[bytes[at + i] ?? 0] ?? "";
  }
  texts[place] = { bytes: bytes.slice(at, at + 16), text };
  return text;
}

function isAt(id: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 15; i >= 0; i--) if (id[i] !== bytes[at + i]) return false;
  return true;
}

/** The 16 bytes of an id; they must not be changed. */
export function uuidBytesOf(text: string): Uint8Array {
  const known = encoded.get(text);
  if (known !== undefined) return known;
  const hex = text.replaceAll("-", "");
  assert(hex.length === 32, "a uuid has 32 hex digits");
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  if (encoded.size >= PLACES) encoded.clear();
  encoded.set(text, bytes);
  return bytes;
}
