/**
 * Whether a live object says all that is desired (pure): what others or the API server's defaults added does not
 * count, an array must have the same length.
 * @param written the object as the API server answered when the same was written before: a value that it writes in
 *   another form (quantities, say) is as desired when it is still in that form
 */
export function says(live: unknown, desired: unknown, written?: unknown): boolean {
  if (desired === undefined) return true;
  if (desired === null || typeof desired !== "object") {
    return live === desired || (live !== undefined && live === written);
  }
  if (live === null || typeof live !== "object") return isEmpty(desired);
  if (Array.isArray(desired)) {
    return (
      Array.isArray(live) &&
      live.length === desired.length &&
      desired.every((item, at) => says(live[at], item, fieldOf(written, at)))
    );
  }
  return Object.entries(desired).every(([name, value]) =>
    says(fieldOf(live, name), value, fieldOf(written, name)),
  );
}

function fieldOf(value: unknown, name: string | number): unknown {
  if (value === null || typeof value !== "object") return undefined;
  return (value as Readonly<Record<string | number, unknown>>)[name];
}

/** Empty maps and lists are left out by the API server. */
function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
