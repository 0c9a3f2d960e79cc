/** Longer ones are rarely names. */
export const SHORT_TEXT_BYTES = 64;
const SLOTS = 1024;

const kept = new Array<string>(SLOTS).fill("");

/**
 * ASCII text of less than SHORT_TEXT_BYTES bytes; undefined when it is not ASCII. The names of topics and clients come
 * again in each request, and sessions and requests that wait keep them: the same text is given again, as one string in one
 * piece. What was given lately is remembered, one text for each value of a hash.
 */
export function shortText(bytes: Uint8Array, at: number, length: number): string | undefined {
  let hash = length;
  for (let i = at; i < at + length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80) return undefined;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
  const known = kept[slot] ?? "";
  if (known.length === length && isAt(known, bytes, at)) return known;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString("latin1");
  kept[slot] = text;
  return text;
}

/** Whether a text has fewer than SHORT_TEXT_BYTES characters, each of which is one byte. (pure) */
export function isShortAscii(text: string): boolean {
  if (text.length >= SHORT_TEXT_BYTES) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

function isAt(text: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[at + i]) return false;
  }
  return true;
}
