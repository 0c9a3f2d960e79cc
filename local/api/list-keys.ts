import { isObject } from "./json.ts";

/** How the items of a list are told apart: by these fields, as a set of scalars, or not at all (atomic). */
export type ListType =
  { readonly kind: "map"; readonly keys: readonly string[] } | { readonly kind: "set" };

/** The list type of the field at a path of field names (items of lists add no name); undefined for atomic. */
export type ListTypes = (
  path: readonly string[],
  items: readonly unknown[],
) => ListType | undefined;

/** Fields of built-in kinds, with the merge keys that the Kubernetes API reference gives for them. */
const KEYS_BY_FIELD: Readonly<Record<string, readonly (readonly string[])[]>> = {
  containers: [["name"]],
  initContainers: [["name"]],
  ephemeralContainers: [["name"]],
  volumes: [["name"]],
  env: [["name"]],
  imagePullSecrets: [["name"]],
  volumeMounts: [["mountPath"]],
  volumeDevices: [["devicePath"]],
  ports: [
    ["containerPort", "protocol"],
    ["port", "protocol"],
  ],
  hostAliases: [["ip"]],
  topologySpreadConstraints: [["topologyKey", "whenUnsatisfiable"]],
  ownerReferences: [["uid"]],
  conditions: [["type"]],
  secrets: [["name"]],
};
const SETS = new Set(["finalizers"]);

/** For built-in kinds, and for conditions and metadata of custom ones. */
export const builtInListTypes: ListTypes = (path, items) => {
  const field = path.at(-1) ?? "";
  if (SETS.has(field)) return { kind: "set" };
  if (!Object.hasOwn(KEYS_BY_FIELD, field)) return undefined;
  for (const keys of KEYS_BY_FIELD[field] ?? []) {
    const first = keys[0] ?? "";
    if (items.every((item) => isObject(item) && item[first] !== undefined))
      return { kind: "map", keys };
  }
  return undefined;
};

const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

/** The key fields of an item as canonical JSON; equal for equal keys. */
export function itemKey(item: unknown, keys: readonly string[]): string {
  const values: Record<string, unknown> = {};
  for (const key of [...keys].sort()) {
    const value = isObject(item) ? (item[key] ?? KEY_DEFAULTS[key]) : undefined;
    if (value !== undefined) values[key] = value;
  }
  return JSON.stringify(values);
}
