/** A JSON object of unknown fields. */
export type JsonObject = { [field: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value when it is an object, else an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** A deep copy of JSON data; fields that are `undefined` are left out, as JSON would. */
export function deepCopy<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [field, inner] of Object.entries(value)) {
    if (inner !== undefined) setField(result, field, copy(inner));
  }
  return result;
}

/** Sets a field of input from outside; `__proto__` becomes an ordinary field. */
export function setField(target: JsonObject, field: string, value: unknown): void {
  if (field === "__proto__") {
    Object.defineProperty(target, field, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  } else target[field] = value;
}

/** Whether two JSON values are equal; the order of fields does not count. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => deepEqual(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const fields = Object.keys(a).filter((field) => a[field] !== undefined);
  const others = Object.keys(b).filter((field) => b[field] !== undefined);
  return (
    fields.length === others.length &&
    fields.every((field) => Object.hasOwn(b, field) && deepEqual(a[field], b[field]))
  );
}

/** The value at a path of field names, or undefined. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const field of path) {
    if (!isObject(current) || !Object.hasOwn(current, field)) return undefined;
    current = current[field];
  }
  return current;
}

/** A shallow copy without some fields. */
export function omit<T extends object, K extends keyof T>(object: T, ...fields: K[]): Omit<T, K> {
  const copy = { ...object };
  for (const field of fields) Reflect.deleteProperty(copy, field);
  return copy;
}

/** A scalar as it is shown; JSON of anything else, and "" of what is not there. */
export function shownText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}
