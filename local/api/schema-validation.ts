import { goRegExp } from "./go-regexp.ts";
import { asObject, deepEqual, isObject, shownText } from "./json.ts";
import { alternatives, fieldSchema, mapKeysOf } from "./schema.ts";
import type { Schema } from "./schema.ts";
import { hasFormat } from "./string-formats.ts";
import { itemKey } from "./list-keys.ts";
import type { StatusCause } from "./status-errors.ts";

/** Reasons after which the rules of a schema are not looked at: the object is not what they were written for. */
const BLOCKING = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);

/** What is added to such causes. */
const RULES_SKIPPED: StatusCause = {
  reason: "FieldValueInvalid",
  field: "<nil>",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; " +
    "correct the existing errors to complete validation",
};

/** The cause that says that rules were skipped because of these causes; undefined when they may be evaluated. */
export function rulesSkipped(causes: readonly StatusCause[]): StatusCause | undefined {
  return causes.some(({ reason }) => BLOCKING.has(reason)) ? RULES_SKIPPED : undefined;
}

/**
 * Structural validation. What is as it was in `old` is not complained about: an object that a newer schema would refuse
 * can still be changed elsewhere (Kubernetes' validation ratcheting).
 * @returns what is wrong, as the causes of an Invalid status
 */
export function validate(value: unknown, schema: Schema, old?: unknown, path = ""): StatusCause[] {
  if (old !== undefined && deepEqual(value, old)) return [];
  const causes: StatusCause[] = [];
  const add = (reason: string, message: string, field = path): void => {
    causes.push({ reason, message, field: field === "" ? "<nil>" : field });
  };
  if (value === null || value === undefined) {
    if (schema["nullable"] !== true && schema["type"] !== undefined) {
      const text = `${inBody(path)} must be of type ${shownText(schema["type"])}: "null"`;
      add("FieldValueTypeInvalid", `Invalid value: "null": ${text}`);
    }
    return causes;
  }
  const mismatch = typeMismatch(value, schema);
  if (mismatch !== undefined) {
    const actual = JSON.stringify(typeName(value));
    const text = `${inBody(path)} must be of type ${mismatch}: ${actual}`;
    add("FieldValueTypeInvalid", `Invalid value: ${actual}: ${text}`);
    return causes;
  }
  const choices = schema["enum"];
  if (Array.isArray(choices) && !choices.some((choice) => deepEqual(choice, value))) {
    const listed = choices.map((choice) => JSON.stringify(choice)).join(", ");
    const shown = JSON.stringify(value);
    add("FieldValueNotSupported", `Unsupported value: ${shown}: supported values: ${listed}`);
  }
  if (typeof value === "number") causes.push(...ofNumber(value, schema, path));
  if (typeof value === "string") causes.push(...ofString(value, schema, path));
  if (Array.isArray(value)) causes.push(...ofList(value, schema, old, path));
  if (isObject(value)) causes.push(...ofObject(value, schema, old, path));
  causes.push(...ofAlternatives(value, schema, path));
  return causes;
}

function ofNumber(value: number, schema: Schema, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const minimum = bound(schema, "minimum");
  const maximum = bound(schema, "maximum");
  const step = bound(schema, "multipleOf");
  const bad = (message: string): void => void causes.push(invalidValue(value, message, path));
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
  if (step !== undefined && !isMultiple(value, step)) {
    bad(`should be a multiple of ${String(step)}`);
  }
  const bits = schema["format"] === "int32" ? 31 : undefined;
  if (bits !== undefined && (value >= 2 ** bits || value < -(2 ** bits))) {
    bad(`must be of type int32: ${JSON.stringify(value)}`);
  }
  return causes;
}

function ofString(value: string, schema: Schema, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const length = Array.from(value).length;
  const least = bound(schema, "minLength") ?? 0;
  const most = bound(schema, "maxLength");
  if (length < least) {
    causes.push(invalidValue(value, `should be at least ${String(least)} chars long`, path));
  }
  if (most !== undefined && length > most) {
    const message = `Too long: may not be more than ${String(most)} bytes`;
    causes.push({ reason: "FieldValueTooLong", field: path, message });
  }
  const { pattern, format } = schema;
  if (typeof pattern === "string" && !goRegExp(pattern).test(value)) {
    causes.push(invalidValue(value, `should match '${pattern}'`, path));
  }
  if (typeof format === "string" && !hasFormat(value, format)) {
    const message = `must be of type ${format}: ${JSON.stringify(value)}`;
    causes.push({ ...invalidValue(value, message, path), reason: "FieldValueTypeInvalid" });
  }
  return causes;
}

function ofList(
  value: readonly unknown[],
  schema: Schema,
  old: unknown,
  path: string,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const least = bound(schema, "minItems") ?? 0;
  const most = bound(schema, "maxItems");
  if (value.length < least) {
    causes.push(invalidValue(value, `should have at least ${String(least)} items`, path));
  }
  if (most !== undefined && value.length > most) causes.push(tooMany(value.length, most, path));
  if (schema["uniqueItems"] === true) {
    const unique = value.every((item, i) => !value.slice(0, i).some((one) => deepEqual(one, item)));
    if (!unique) causes.push(invalidValue(value, "shouldn't contain duplicates", path));
  }
  const items = asObject(schema["items"]);
  const before = correlated(old, schema);
  value.forEach((item, i) => {
    causes.push(...validate(item, items, before(item), `${path}[${String(i)}]`));
  });
  causes.push(...duplicates(value, schema, path));
  return causes;
}

function ofObject(
  value: Readonly<Record<string, unknown>>,
  schema: Schema,
  old: unknown,
  path: string,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const count = Object.keys(value).length;
  const least = bound(schema, "minProperties") ?? 0;
  const most = bound(schema, "maxProperties");
  if (count < least) {
    causes.push(invalidValue(value, `should have at least ${String(least)} properties`, path));
  }
  if (most !== undefined && count > most) causes.push(tooMany(count, most, path));
  const before = asObject(old);
  for (const [field, inner] of Object.entries(value)) {
    const applies = fieldSchema(schema, field);
    if (applies === undefined) continue;
    const was = Object.hasOwn(before, field) ? before[field] : undefined;
    causes.push(...validate(inner, applies, was, within(path, field)));
  }
  for (const field of Array.isArray(schema["required"]) ? schema["required"] : []) {
    if (typeof field !== "string" || value[field] !== undefined) continue;
    const at = within(path, field);
    causes.push({ reason: "FieldValueRequired", message: "Required value", field: at });
  }
  return causes;
}

/** How an item of a list was before: told by its keys, and unknown in other lists. */
export function correlated(old: unknown, schema: Schema): (item: unknown) => unknown {
  const keys = mapKeysOf(schema);
  if (keys === undefined || !Array.isArray(old)) return () => undefined;
  const byKey = new Map<string, unknown>(old.map((item: unknown) => [itemKey(item, keys), item]));
  return (item) => byKey.get(itemKey(item, keys));
}

function ofAlternatives(value: unknown, schema: Schema, path: string): StatusCause[] {
  const causes = alternatives(schema, "allOf").flatMap((inner) =>
    validate(value, inner, undefined, path),
  );
  const holds = (inner: Schema): boolean => validate(value, inner, undefined, path).length === 0;
  const add = (message: string): void => {
    const shown = typeof value === "object" ? "" : `${JSON.stringify(value)}: `;
    const text = `Invalid value: ${shown}${inBody(path)} ${message}`;
    causes.push({
      reason: "FieldValueInvalid",
      field: path === "" ? "<nil>" : path,
      message: text,
    });
  };
  const anyOf = alternatives(schema, "anyOf");
  if (anyOf.length > 0 && !anyOf.some(holds)) add("must validate at least one schema (anyOf)");
  const oneOf = alternatives(schema, "oneOf");
  if (oneOf.length > 0 && oneOf.filter(holds).length !== 1)
    add("must validate one and only one schema (oneOf)");
  if (isObject(schema["not"]) && holds(schema["not"])) add("must not validate the schema (not)");
  return causes;
}

function duplicates(items: readonly unknown[], schema: Schema, path: string): StatusCause[] {
  const keys = mapKeysOf(schema);
  if (schema["x-kubernetes-list-type"] !== "set" && keys === undefined) return [];
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const key = keys === undefined ? JSON.stringify(item) : itemKey(item, keys);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const field = `${path}[${String(i)}]`;
    return [{ reason: "FieldValueDuplicate", field, message: `Duplicate value: ${key}` }];
  });
}

/** The type that the value should have been of, or undefined when it is. */
function typeMismatch(value: unknown, schema: Schema): string | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) {
    return Number.isInteger(value) || typeof value === "string" ? undefined : "integer,string";
  }
  const { type } = schema;
  return typeof type !== "string" || isOfType(value, type) ? undefined : type;
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
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** Of fractions the quotient is looked at, which is as inexact here as it is in the API server. */
function isMultiple(value: number, step: number): boolean {
  return Number.isInteger(value) && Number.isInteger(step)
    ? value % step === 0
    : Number.isInteger(value / step);
}

function bound(schema: Schema, name: string): number | undefined {
  const limit = schema[name];
  return typeof limit === "number" ? limit : undefined;
}

function invalidValue(value: unknown, message: string, path: string): StatusCause {
  const text = `Invalid value: ${JSON.stringify(value)}: ${inBody(path)} ${message}`;
  return { reason: "FieldValueInvalid", field: path === "" ? "<nil>" : path, message: text };
}

function tooMany(count: number, most: number, path: string): StatusCause {
  return {
    reason: "FieldValueTooMany",
    field: path === "" ? "<nil>" : path,
    message: `Too many: ${String(count)}: must have at most ${String(most)} items`,
  };
}

function within(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}

function inBody(path: string): string {
  return path === "" ? "in body" : `${path} in body`;
}
