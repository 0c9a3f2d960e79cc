import { isObject, setField } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** Applies a JSON Merge Patch (RFC 7386): `null` removes a field, objects merge, all else replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, field);
    else setField(result, field, applyMergePatch(result[field], value));
  }
  return result;
}
