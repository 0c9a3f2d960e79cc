import type { KubeObject } from "../kube/objects.ts";

/**
 * Whether a live object says all that is desired (pure): what others or the API server's defaults added does not
 * count, an array must have the same length. A value that the server writes in another form is taken for a difference.
 */
export function says(live: unknown, desired: unknown): boolean {
  if (desired === undefined) return true;
  if (desired === null || typeof desired !== "object") return live === desired;
  if (live === null || typeof live !== "object") return isEmpty(desired);
  if (Array.isArray(desired)) {
    return (
      Array.isArray(live) &&
      live.length === desired.length &&
      desired.every((item, at) => says(live[at], item))
    );
  }
  return Object.entries(desired).every(([name, value]) =>
    says((live as Readonly<Record<string, unknown>>)[name], value),
  );
}

/** Empty maps and lists are left out by the API server. */
function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

/** What changes when somebody writes the object: its generation where it has one, else its version. */
export function writtenVersion({ metadata }: KubeObject): string {
  return metadata.generation === undefined
    ? `version ${metadata.resourceVersion ?? ""}`
    : `generation ${String(metadata.generation)}`;
}
