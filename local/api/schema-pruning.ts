import { asObject, isObject } from "./json.ts";
import { additionalOf, propertiesOf } from "./schema.ts";
import type { Schema } from "./schema.ts";

/** Fields that every object has beside those of its schema. */
const ROOT_FIELDS = new Set(["apiVersion", "kind", "metadata"]);
/** Fields of metadata (metav1.ObjectMeta). */
const META_FIELDS = new Set([
  "annotations",
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "finalizers",
  "generateName",
  "generation",
  "labels",
  "managedFields",
  "name",
  "namespace",
  "ownerReferences",
  "resourceVersion",
  "selfLink",
  "uid",
]);

/** Removes fields that the API does not know from a whole object, in place. @returns their paths, as `spec.foo[0].bar`. */
export function pruneObject(object: unknown, schema: Schema): string[] {
  return [...pruneRoot(object, schema, "")].sort();
}

function pruneRoot(object: unknown, schema: Schema, path: string): string[] {
  if (!isObject(object)) return [];
  const unknown = prune(object, schema, path, ROOT_FIELDS);
  const { metadata } = object;
  if (!isObject(metadata)) return unknown;
  for (const field of Object.keys(metadata)) {
    if (META_FIELDS.has(field)) continue;
    unknown.push(within(within(path, "metadata"), field));
    Reflect.deleteProperty(metadata, field);
  }
  return unknown;
}

function prune(
  value: unknown,
  schema: Schema,
  path: string,
  beside: ReadonlySet<string> = new Set(),
): string[] {
  if (Array.isArray(value)) {
    const items = asObject(schema["items"]);
    return value.flatMap((item, i) => pruneAny(item, items, `${path}[${String(i)}]`));
  }
  if (!isObject(value)) return [];
  const properties = propertiesOf(schema);
  const additional = additionalOf(schema);
  const keepsUnknown =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    schema["additionalProperties"] === true;
  const unknown: string[] = [];
  for (const field of Object.keys(value)) {
    const here = within(path, field);
    if (beside.has(field)) continue;
    const inner = Object.hasOwn(properties, field) ? properties[field] : additional;
    if (inner !== undefined) unknown.push(...pruneAny(value[field], inner, here));
    else if (!keepsUnknown) {
      unknown.push(here);
      Reflect.deleteProperty(value, field);
    }
  }
  return unknown;
}

function pruneAny(value: unknown, schema: Schema, path: string): string[] {
  return schema["x-kubernetes-embedded-resource"] === true
    ? pruneRoot(value, schema, path)
    : prune(value, schema, path);
}

function within(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}
