import { isObject, setField } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { builtInListTypes } from "./list-keys.ts";

/**
 * Applies a strategic merge patch to a built-in kind: like a merge patch, but lists with merge keys merge by item.
 * Supports `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`; `$setElementOrder` is
 * accepted and has no effect: merged items keep their place and new ones come last.
 */
export function applyStrategicMerge(target: unknown, patch: unknown): unknown {
  return merge(target, patch, []);
}

function merge(target: unknown, patch: unknown, path: readonly string[]): unknown {
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "replace") return withoutDirectives(patch);
  if (patch["$patch"] === "delete") return {};
  const result: JsonObject = isObject(target) ? { ...target } : {};
  const retained = patch["$retainKeys"];
  if (Array.isArray(retained)) {
    for (const field of Object.keys(result)) {
      if (!retained.includes(field)) Reflect.deleteProperty(result, field);
    }
  }
  for (const [field, value] of Object.entries(patch)) {
    const removed = /^\$deleteFromPrimitiveList\/(.+)$/.exec(field)?.[1];
    if (removed !== undefined) {
      const list = result[removed];
      if (Array.isArray(list) && Array.isArray(value)) {
        setField(
          result,
          removed,
          list.filter((item) => !value.includes(item)),
        );
      }
    } else if (field.startsWith("$")) continue;
    else if (value === null) Reflect.deleteProperty(result, field);
    else if (Array.isArray(value)) {
      setField(result, field, mergeList(result[field], value, [...path, field]));
    } else setField(result, field, merge(result[field], value, [...path, field]));
  }
  return result;
}

function mergeList(target: unknown, patch: readonly unknown[], path: readonly string[]): unknown {
  const replaces = patch.some(
    (item) => isObject(item) && item["$patch"] === "replace" && Object.keys(item).length === 1,
  );
  const items = patch.filter(
    (item) => !(isObject(item) && item["$patch"] === "replace" && Object.keys(item).length === 1),
  );
  const live: readonly unknown[] = Array.isArray(target) && !replaces ? target : [];
  const type = builtInListTypes(path, [...live, ...items]);
  if (type === undefined) return items.map(withoutDirectives);
  if (type.kind === "set") return [...new Set([...live, ...items])];
  // Of several keys only the first identifies an item here, unlike in server-side apply.
  const key = type.keys[0] ?? "";
  const keyOf = (item: unknown): unknown => (isObject(item) ? item[key] : undefined);
  const result: unknown[] = [...live];
  for (const item of items) {
    const index = result.findIndex((each) => keyOf(each) === keyOf(item));
    if (isObject(item) && item["$patch"] === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) result[index] = merge(result[index], item, path);
    else result.push(withoutDirectives(item));
  }
  return result;
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [field, inner] of Object.entries(value)) {
    if (!field.startsWith("$")) setField(result, field, withoutDirectives(inner));
  }
  return result;
}
