/**
 * Whether one resourceVersion of an object is older than another of the same object. They are decimal numbers that grow
 * (Kubernetes documents the comparison since 1.35); what is none of these is not known to be older.
 */
export function isOlderVersion(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if (!DECIMAL.test(one) || !DECIMAL.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}

/** The version as a number to compare; 0, before all others, for one that is none. */
export function versionNumber(version: string | undefined): number {
  return version !== undefined && DECIMAL.test(version) ? Number(version) : 0;
}

const DECIMAL = /^(0|[1-9]\d*)$/;
