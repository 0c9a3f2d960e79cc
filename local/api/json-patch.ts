import { statusError } from "./status-errors.ts";
import { deepCopy, deepEqual, isObject, setField } from "./json.ts";

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** More operations than this are refused, as the API server does. */
const MAX_OPERATIONS = 10_000;

/**
 * Applies a JSON Patch (RFC 6902) to a copy of `document`.
 * @throws InvalidError (422) when an operation cannot be applied or a `test` fails; KubeError 400 when it is not a patch.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw statusError(400, "BadRequest", "a JSON Patch is an array of operations");
  if (patch.length > MAX_OPERATIONS) {
    throw statusError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${String(MAX_OPERATIONS)}`,
    );
  }
  let result = deepCopy(document);
  for (const item of patch as readonly unknown[])
    result = applyOperation(result, parseOperation(item));
  return result;
}

function parseOperation(item: unknown): Operation {
  if (!isObject(item) || typeof item["op"] !== "string" || typeof item["path"] !== "string") {
    throw statusError(400, "BadRequest", "an operation of a JSON Patch has op and path");
  }
  const { op, path, from, value } = item;
  return { op, path, value, ...(typeof from === "string" ? { from } : {}) };
}

function applyOperation(document: unknown, operation: Operation): unknown {
  const { op, path, value } = operation;
  switch (op) {
    case "test": {
      if (!deepEqual(read(document, path), value)) {
        throw refused(`testing value ${path} failed: test failed`);
      }
      return document;
    }
    case "add":
      return write(document, path, deepCopy(value), "add");
    case "replace":
      return write(document, path, deepCopy(value), "replace");
    case "remove":
      return write(document, path, undefined, "remove");
    case "move": {
      const from = operation.from ?? "";
      const moved = read(document, from);
      return write(write(document, from, undefined, "remove"), path, moved, "add");
    }
    case "copy":
      return write(document, path, deepCopy(read(document, operation.from ?? "")), "add");
    default:
      throw statusError(400, "BadRequest", `unexpected kind: ${op}`);
  }
}

function read(document: unknown, path: string): unknown {
  let current = document;
  for (const token of tokens(path)) {
    if (Array.isArray(current)) {
      const index = arrayIndex(token, current.length - 1, path);
      current = current[index];
    } else if (isObject(current) && Object.hasOwn(current, token)) {
      current = current[token];
    } else {
      throw refused(`the path ${path} does not exist`);
    }
  }
  return current;
}

function write(
  document: unknown,
  path: string,
  value: unknown,
  how: "add" | "replace" | "remove",
): unknown {
  const all = tokens(path);
  const last = all.pop();
  if (last === undefined) return how === "remove" ? null : value;
  const parent = read(document, all.map((token) => `/${escape(token)}`).join(""));
  if (Array.isArray(parent)) {
    const items = parent as unknown[];
    if (how === "add") {
      const index = last === "-" ? items.length : arrayIndex(last, items.length, path);
      items.splice(index, 0, value);
    } else {
      const index = arrayIndex(last, items.length - 1, path);
      if (how === "replace") items[index] = value;
      else items.splice(index, 1);
    }
    return document;
  }
  if (!isObject(parent)) throw refused(`the path ${path} does not exist`);
  if (how !== "add" && !Object.hasOwn(parent, last)) {
    throw refused(`${how} operation does not apply: doc is missing key: ${path}`);
  }
  if (how === "remove") Reflect.deleteProperty(parent, last);
  else setField(parent, last, value);
  return document;
}

function tokens(path: string): string[] {
  if (path === "") return [];
  if (!path.startsWith("/")) throw refused(`the path ${path} does not begin with /`);
  return path
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function escape(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

function arrayIndex(token: string, highest: number, path: string): number {
  const index = /^(0|[1-9]\d*)$/.test(token) ? Number(token) : -1;
  if (index < 0 || index > highest) throw refused(`the path ${path} is outside the array`);
  return index;
}

function refused(why: string): Error {
  return statusError(
    422,
    "Invalid",
    `the server rejected our request due to an error in our request: ${why}`,
  );
}
