import { asObject, deepCopy, isObject } from "./json.ts";
import { additionalOf, propertiesOf } from "./schema.ts";
import type { Schema } from "./schema.ts";

/**
 * Fills in defaults, at every depth where the surrounding object exists, in place. A null where none is allowed gives way
 * to the default, and without one is dropped, as the API server does.
 */
export function applyDefaults(value: unknown, schema: Schema): void {
  if (isObject(value)) {
    for (const [field, inner] of Object.entries(propertiesOf(schema))) {
      if (value[field] === null && inner["nullable"] !== true) {
        if (isTyped(inner)) Reflect.deleteProperty(value, field);
      }
      const fallback = inner["default"];
      if (value[field] === undefined && fallback !== undefined) value[field] = deepCopy(fallback);
      if (value[field] !== undefined) applyDefaults(value[field], inner);
    }
    const additional = additionalOf(schema);
    if (additional === undefined) return;
    for (const [field, inner] of Object.entries(value)) {
      if (
        inner === null &&
        additional["nullable"] !== true &&
        additional["default"] !== undefined
      ) {
        value[field] = deepCopy(additional["default"]);
      }
      applyDefaults(value[field], additional);
    }
  } else if (Array.isArray(value)) {
    const items = asObject(schema["items"]);
    for (const item of value) applyDefaults(item, items);
  }
}

/** Whether the schema says anything of what the value is. */
function isTyped(schema: Schema): boolean {
  return schema["type"] !== undefined || schema["x-kubernetes-int-or-string"] === true;
}
