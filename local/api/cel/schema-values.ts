import { asObject, isObject } from "../json.ts";
import { additionalOf, propertiesOf } from "../schema.ts";
import type { Schema } from "../schema.ts";
import { CelError } from "./errors.ts";
import { escapedFieldName } from "./field-names.ts";
import { parseDuration, parseTimestamp } from "./time.ts";
import { listOf } from "./values.ts";
import type { CelList, CelMap, CelValue } from "./values.ts";

const TEXT: Schema = { type: "string" };
/** What a rule sees of an object beside the fields of its schema: of metadata only the names. */
const OBJECT_FIELDS: Readonly<Record<string, Schema>> = {
  apiVersion: TEXT,
  kind: TEXT,
  metadata: { type: "object", properties: { name: TEXT, generateName: TEXT } },
};

/** The schema of a whole object, as the rules at its root see it. */
export function withObjectFields(schema: Schema): Schema {
  return { ...schema, properties: { ...propertiesOf(schema), ...OBJECT_FIELDS } };
}

/**
 * JSON as the value that a rule sees: ints and doubles, times and lists with an identity come from the schema. Fields
 * that the schema does not name are not seen. @throws CelError for data that does not fit the schema
 */
export function celValueOf(json: unknown, schema: Schema): CelValue {
  if (json === null || json === undefined) {
    if (schema["nullable"] === true) return null;
    throw new CelError("invalid data, got null for schema with nullable=false");
  }
  if (schema["x-kubernetes-int-or-string"] === true) return untypedValue(json);
  switch (schema["type"]) {
    case "object":
      if (!isObject(json)) break;
      return objectValue(json, schema);
    case "array":
      if (!Array.isArray(json)) break;
      return listValue(json, schema);
    case "string":
      if (typeof json !== "string") break;
      return textValue(json, schema["format"]);
    case "number":
      if (typeof json !== "number") break;
      return json;
    case "integer":
      if (!Number.isInteger(json)) break;
      return BigInt(json as number);
    case "boolean":
      if (typeof json !== "boolean") break;
      return json;
    default:
      return untypedValue(json);
  }
  throw new CelError(`invalid data, expected ${schema["type"]}`);
}

function objectValue(json: Readonly<Record<string, unknown>>, schema: Schema): CelMap {
  const whole =
    schema["x-kubernetes-embedded-resource"] === true ? withObjectFields(schema) : schema;
  if (!isObject(whole["properties"])) return mapValue(json, additionalOf(schema));
  // A null in a field is as if the field was not there.
  const fields = new Map<CelValue, [string, Schema]>();
  for (const [field, inner] of Object.entries(propertiesOf(whole))) {
    const name = escapedFieldName(field);
    const isSet = Object.hasOwn(json, field) && json[field] !== null && json[field] !== undefined;
    if (name !== undefined && isSet) fields.set(name, [field, inner]);
  }
  return {
    kind: "map",
    keys: [...fields.keys()],
    get: (key) => {
      const [field, inner] = fields.get(key) ?? [];
      return field === undefined || inner === undefined
        ? undefined
        : celValueOf(json[field], inner);
    },
  };
}

/** A map of any keys; with no schema for its values none of them is seen. */
function mapValue(json: Readonly<Record<string, unknown>>, values: Schema | undefined): CelMap {
  if (values === undefined) return { kind: "map", keys: [], get: () => undefined };
  return {
    kind: "map",
    keys: Object.keys(json),
    get: (key) =>
      typeof key === "string" && Object.hasOwn(json, key)
        ? celValueOf(json[key], values)
        : undefined,
  };
}

function listValue(json: readonly unknown[], schema: Schema): CelList {
  const items = asObject(schema["items"]);
  const list: CelList = {
    kind: "list",
    size: json.length,
    at: (index) => celValueOf(json[index], items),
  };
  switch (schema["x-kubernetes-list-type"]) {
    case "set":
      return { ...list, identityOf: (element) => element };
    case "map":
      return { ...list, identityOf: keysOf(schema) };
    default:
      return list;
  }
}

/** The values of the fields that tell the items of a list apart. */
function keysOf(schema: Schema): (element: CelValue) => CelValue {
  const listed = schema["x-kubernetes-list-map-keys"];
  const names = (Array.isArray(listed) ? listed : []).map(
    (name) => escapedFieldName(String(name)) ?? "",
  );
  return (element) => {
    if (typeof element !== "object" || element?.kind !== "map") return element;
    return listOf(names.map((name) => element.get(name) ?? null));
  };
}

function textValue(text: string, format: unknown): CelValue {
  switch (format) {
    case "duration":
      return parseDuration(text);
    case "date":
      return parseTimestamp(`${text}T00:00:00Z`);
    case "date-time":
      return parseTimestamp(text);
    default:
      return text;
  }
}

/** What has no type in the schema: compared and passed on as it is. */
function untypedValue(json: unknown): CelValue {
  switch (typeof json) {
    case "boolean":
    case "string":
      return json;
    case "number":
      return Number.isInteger(json) ? BigInt(json) : json;
    default:
      if (Array.isArray(json)) return listOf(json.map(untypedValue));
      if (!isObject(json)) return null;
      return {
        kind: "map",
        keys: Object.keys(json),
        get: (key) =>
          typeof key === "string" && Object.hasOwn(json, key) ? untypedValue(json[key]) : undefined,
      };
  }
}
