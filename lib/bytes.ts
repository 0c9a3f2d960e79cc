/** Total length of the parts, in bytes. */
export function totalLength(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) total += part.length;
  return total;
}

/** The parts as one fresh array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  // A Buffer's own slice is a view.
  if (parts.length === 1 && only !== undefined) return Uint8Array.prototype.slice.call(only);
  const out = new Uint8Array(totalLength(parts));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
