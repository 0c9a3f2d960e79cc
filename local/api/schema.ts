import { asObject, deepCopy, deepEqual, isObject, setField, shownText } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { ListTypes } from "./list-keys.ts";
import { builtInListTypes } from "./list-keys.ts";
import type { StatusCause } from "./status-errors.ts";

/** A structural schema of a CustomResourceDefinition: the part of OpenAPI v3 that the API server allows there. */
export type Schema = JsonObject;

/** Fields that every object has beside those of its schema. */
const ROOT_FIELDS = new Set(["apiVersion", "kind", "metadata"]);

/** Fills in defaults, at every depth where the surrounding object exists. Works in place. */
export function applyDefaults(value: unknown, schema: Schema): void {
  if (isObject(value)) {
    for (const [field, inner] of Object.entries(propertiesOf(schema))) {
      const fallback = inner["default"];
      if (value[field] === undefined && fallback !== undefined) value[field] = deepCopy(fallback);
      if (value[field] === null && inner["nullable"] !== true && fallback !== undefined) {
        value[field] = deepCopy(fallback);
      }
      if (value[field] !== undefined) applyDefaults(value[field], inner);
    }
    const additional = schema["additionalProperties"];
    if (isObject(additional))
      for (const inner of Object.values(value)) applyDefaults(inner, additional);
  } else if (Array.isArray(value)) {
    const items = asObject(schema["items"]);
    for (const item of value) applyDefaults(item, items);
  }
}

/** Removes fields that the schema does not know, in place. @returns their paths, as `spec.foo[0].bar`. */
export function pruneUnknown(value: unknown, schema: Schema, path = ""): string[] {
  if (Array.isArray(value)) {
    const items = asObject(schema["items"]);
    return value.flatMap((item, i) => pruneUnknown(item, items, `${path}[${String(i)}]`));
  }
  if (!isObject(value)) return [];
  const properties = propertiesOf(schema);
  const additional = schema["additionalProperties"];
  const keepsUnknown =
    schema["x-kubernetes-preserve-unknown-fields"] === true || additional === true;
  const unknown: string[] = [];
  for (const field of Object.keys(value)) {
    const here = path === "" ? field : `${path}.${field}`;
    if (path === "" && ROOT_FIELDS.has(field)) continue;
    if (schema["x-kubernetes-embedded-resource"] === true && ROOT_FIELDS.has(field)) continue;
    if (Object.hasOwn(properties, field)) {
      unknown.push(...pruneUnknown(value[field], properties[field] ?? {}, here));
    } else if (isObject(additional)) unknown.push(...pruneUnknown(value[field], additional, here));
    else if (!keepsUnknown) {
      unknown.push(here);
      Reflect.deleteProperty(value, field);
    }
  }
  return unknown;
}

/** Structural validation. @returns what is wrong, as the causes of an Invalid status. */
export function validate(value: unknown, schema: Schema, path = ""): StatusCause[] {
  const causes: StatusCause[] = [];
  const add = (reason: string, message: string, field = path): void => {
    causes.push({ reason, message, field: field === "" ? "<nil>" : field });
  };
  const shown = JSON.stringify(value);
  if (value === null) {
    if (schema["nullable"] !== true && schema["type"] !== undefined) {
      add(
        "FieldValueTypeInvalid",
        `Invalid value: "null": ${inBody(path)} must be of type ${shownText(schema["type"])}: "null"`,
      );
    }
    return causes;
  }
  const type = schema["x-kubernetes-int-or-string"] === true ? undefined : schema["type"];
  if (
    schema["x-kubernetes-int-or-string"] === true &&
    !Number.isInteger(value) &&
    typeof value !== "string"
  ) {
    add(
      "FieldValueInvalid",
      `Invalid value: ${shown}: ${inBody(path)} must be of type integer or string`,
    );
    return causes;
  }
  if (typeof type === "string" && !isOfType(value, type)) {
    const actual = typeName(value);
    const quoted = JSON.stringify(actual);
    add(
      "FieldValueTypeInvalid",
      `Invalid value: ${quoted}: ${inBody(path)} must be of type ${type}: ${quoted}`,
    );
    return causes;
  }
  const choices = schema["enum"];
  if (Array.isArray(choices) && !choices.some((choice) => deepEqual(choice, value))) {
    const listed = choices.map((choice) => JSON.stringify(choice)).join(", ");
    add("FieldValueNotSupported", `Unsupported value: ${shown}: supported values: ${listed}`);
  }
  const bad = (message: string): void => {
    add("FieldValueInvalid", `Invalid value: ${shown}: ${inBody(path)} ${message}`);
  };
  const bound = (name: string): number | undefined => {
    const limit = schema[name];
    return typeof limit === "number" ? limit : undefined;
  };
  if (typeof value === "number") {
    const minimum = bound("minimum");
    const maximum = bound("maximum");
    const step = bound("multipleOf");
    if (minimum !== undefined) {
      if (schema["exclusiveMinimum"] === true && value <= minimum)
        bad(`should be greater than ${String(minimum)}`);
      else if (value < minimum) bad(`should be greater than or equal to ${String(minimum)}`);
    }
    if (maximum !== undefined) {
      if (schema["exclusiveMaximum"] === true && value >= maximum)
        bad(`should be less than ${String(maximum)}`);
      else if (value > maximum) bad(`should be less than or equal to ${String(maximum)}`);
    }
    if (step !== undefined && value % step !== 0) bad(`should be a multiple of ${String(step)}`);
  }
  if (typeof value === "string") {
    const length = Array.from(value).length;
    const most = bound("maxLength");
    if (length < (bound("minLength") ?? 0))
      bad(`should be at least ${String(bound("minLength"))} chars long`);
    if (most !== undefined && length > most) {
      add("FieldValueTooLong", `Too long: may not be more than ${String(most)} bytes`);
    }
    const pattern = schema["pattern"];
    if (typeof pattern === "string" && !new RegExp(pattern).test(value)) {
      bad(`should match '${pattern}'`);
    }
  }
  if (Array.isArray(value)) {
    const most = bound("maxItems");
    if (value.length < (bound("minItems") ?? 0))
      bad(`should have at least ${String(bound("minItems"))} items`);
    if (most !== undefined && value.length > most) {
      add(
        "FieldValueTooMany",
        `Too many: ${String(value.length)}: must have at most ${String(most)} items`,
      );
    }
    const items = asObject(schema["items"]);
    value.forEach((item, i) => causes.push(...validate(item, items, `${path}[${String(i)}]`)));
    causes.push(...duplicates(value, schema, path));
  }
  if (isObject(value)) {
    for (const field of Array.isArray(schema["required"]) ? schema["required"] : []) {
      if (typeof field === "string" && value[field] === undefined) {
        add("FieldValueRequired", "Required value", path === "" ? field : `${path}.${field}`);
      }
    }
    const most = bound("maxProperties");
    const count = Object.keys(value).length;
    if (most !== undefined && count > most) {
      add(
        "FieldValueTooMany",
        `Too many: ${String(count)}: must have at most ${String(most)} items`,
      );
    }
    if (count < (bound("minProperties") ?? 0))
      bad(`should have at least ${String(bound("minProperties"))} properties`);
    const properties = propertiesOf(schema);
    const additional = schema["additionalProperties"];
    for (const [field, inner] of Object.entries(value)) {
      const own = Object.hasOwn(properties, field) ? properties[field] : undefined;
      const applies = own ?? (isObject(additional) ? additional : undefined);
      if (applies !== undefined) {
        causes.push(...validate(inner, applies, path === "" ? field : `${path}.${field}`));
      }
    }
  }
  causes.push(...combined(value, schema, path));
  return causes;
}

/** Where the rules of `x-kubernetes-validations` are evaluated; see `setRuleValidator`. */
export type RuleValidator = (
  schema: Schema,
  object: unknown,
  oldObject: unknown,
) => readonly StatusCause[];

let ruleValidator: RuleValidator = () => [];

/** Gives the evaluator of CEL rules; without one rules are accepted and not enforced. */
export function setRuleValidator(validator: RuleValidator): void {
  ruleValidator = validator;
}

/** The causes of the rules that do not hold. `oldObject` is undefined on creation. */
export function validateRules(
  schema: Schema,
  object: unknown,
  oldObject: unknown,
): readonly StatusCause[] {
  return ruleValidator(schema, object, oldObject);
}

/** List types of a custom kind, from `x-kubernetes-list-type`; metadata is as in built-in kinds. */
export function listTypesOf(schema: Schema): ListTypes {
  return (path, items) => {
    if (path[0] === "metadata") return builtInListTypes(path, items);
    let current = schema;
    for (const field of path) {
      while (isObject(current["items"])) current = current["items"];
      const additional = current["additionalProperties"];
      current = propertiesOf(current)[field] ?? (isObject(additional) ? additional : {});
    }
    const type = current["x-kubernetes-list-type"];
    const keys = current["x-kubernetes-list-map-keys"];
    if (type === "set") return { kind: "set" };
    if (type === "map" && Array.isArray(keys)) return { kind: "map", keys: keys.map(String) };
    return undefined;
  };
}

function propertiesOf(schema: Schema): Record<string, Schema> {
  const properties: Record<string, Schema> = {};
  for (const [field, inner] of Object.entries(asObject(schema["properties"]))) {
    setField(properties, field, asObject(inner));
  }
  return properties;
}

function combined(value: unknown, schema: Schema, path: string): StatusCause[] {
  const each = (name: string): Schema[] => {
    const list = schema[name];
    return Array.isArray(list) ? list.map(asObject) : [];
  };
  const holds = (inner: Schema): boolean => validate(value, inner, path).length === 0;
  const causes = each("allOf").flatMap((inner) => validate(value, inner, path));
  const add = (message: string): void => {
    causes.push({
      reason: "FieldValueInvalid",
      field: path,
      message: `Invalid value: ${JSON.stringify(value)}: ${inBody(path)} ${message}`,
    });
  };
  const anyOf = each("anyOf");
  if (anyOf.length > 0 && !anyOf.some(holds)) add("must validate at least one schema (anyOf)");
  const oneOf = each("oneOf");
  if (oneOf.length > 0 && oneOf.filter(holds).length !== 1)
    add("must validate one and only one schema (oneOf)");
  if (isObject(schema["not"]) && holds(schema["not"])) add("must not validate the schema (not)");
  return causes;
}

function duplicates(items: readonly unknown[], schema: Schema, path: string): StatusCause[] {
  const type = schema["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return [];
  const keys = schema["x-kubernetes-list-map-keys"];
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const key =
      type === "map" && Array.isArray(keys)
        ? JSON.stringify(
            Object.fromEntries(keys.map((name) => [String(name), asObject(item)[String(name)]])),
          )
        : JSON.stringify(item);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [
      {
        reason: "FieldValueDuplicate",
        field: `${path}[${String(i)}]`,
        message: `Duplicate value: ${key}`,
      },
    ];
  });
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "number"
    ? Number.isInteger(value)
      ? "integer"
      : "number"
    : typeof value;
}

function inBody(path: string): string {
  return path === "" ? "in body" : `${path} in body`;
}
