import { asObject, isObject, setField } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { ListTypes } from "./list-keys.ts";
import { builtInListTypes } from "./list-keys.ts";

/** A structural schema of a CustomResourceDefinition: the part of OpenAPI v3 that the API server allows there. */
export type Schema = JsonObject;

const known = new WeakMap<Schema, Readonly<Record<string, Schema>>>();

/** The schemas of the named fields. A schema is never changed, so they are worked out once. */
export function propertiesOf(schema: Schema): Readonly<Record<string, Schema>> {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const properties: Record<string, Schema> = {};
  for (const [field, inner] of Object.entries(asObject(schema["properties"]))) {
    setField(properties, field, asObject(inner));
  }
  known.set(schema, properties);
  return properties;
}

/** The schema of the fields that have no name in the schema, if there is one. */
export function additionalOf(schema: Schema): Schema | undefined {
  const additional = schema["additionalProperties"];
  return isObject(additional) ? additional : undefined;
}

/** The schema of one field; undefined when nothing is said of it. */
export function fieldSchema(schema: Schema, field: string): Schema | undefined {
  const properties = propertiesOf(schema);
  return Object.hasOwn(properties, field) ? properties[field] : additionalOf(schema);
}

/** The schemas of `allOf`, `anyOf` or `oneOf`. */
export function alternatives(schema: Schema, name: "allOf" | "anyOf" | "oneOf"): Schema[] {
  const list = schema[name];
  return Array.isArray(list) ? list.map(asObject) : [];
}

/** The fields that tell apart the items of a list of type map. */
export function mapKeysOf(schema: Schema): string[] | undefined {
  const keys = schema["x-kubernetes-list-map-keys"];
  const isMap = schema["x-kubernetes-list-type"] === "map" && Array.isArray(keys);
  return isMap ? keys.map(String) : undefined;
}

/** List types of a custom kind, from `x-kubernetes-list-type`; metadata is as in built-in kinds. */
export function listTypesOf(schema: Schema): ListTypes {
  return (path, items) => {
    if (path[0] === "metadata") return builtInListTypes(path, items);
    let current = schema;
    for (const field of path) {
      while (isObject(current["items"])) current = current["items"];
      current = fieldSchema(current, field) ?? {};
    }
    if (current["x-kubernetes-list-type"] === "set") return { kind: "set" };
    const keys = mapKeysOf(current);
    return keys === undefined ? undefined : { kind: "map", keys };
  };
}
