import type { KubeObject } from "../../kube/objects.ts";
import { asObject, deepCopy, deepEqual, isObject, omit, setField } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { itemKey } from "./list-keys.ts";
import type { ListTypes } from "./list-keys.ts";
import { statusError } from "./status-errors.ts";

/**
 * Server-side apply (Kubernetes concept of that name): what a manager applies is merged into the object, and what it
 * applied before, applies no longer and nobody else applies, is removed. Fields written by plain updates have no owner.
 */

/** FieldsV1: `f:name`, `k:{"key":"value"}` for items of associative lists, `v:"value"` for items of sets. */
type FieldTree = { [key: string]: FieldTree };

interface ManagedFields {
  readonly manager: string;
  readonly operation: "Apply";
  readonly apiVersion: string;
  readonly time: string;
  readonly fieldsType: "FieldsV1";
  readonly fieldsV1: FieldTree;
  readonly subresource?: string;
}

export interface ApplyRequest {
  readonly manager: string;
  readonly force: boolean;
  readonly listTypes: ListTypes;
  /** RFC 3339. */
  readonly time: string;
  readonly subresource?: "status" | "scale";
}

/**
 * @param live the stored object, or undefined to create.
 * @returns the object to store. @throws ConflictError when another manager owns a field and `force` is not set.
 */
export function applyObject(
  live: KubeObject | undefined,
  applied: KubeObject,
  request: ApplyRequest,
): KubeObject {
  const { manager, subresource, listTypes } = request;
  const intent = deepCopy(applied) as KubeObject & JsonObject;
  if (asObject(intent.metadata)["managedFields"] !== undefined) {
    throw statusError(400, "BadRequest", "metadata.managedFields must be nil");
  }
  const fields = ownedFields(intent, listTypes);
  const entries = managedFieldsOf(live);
  const isOurs = (entry: ManagedFields): boolean =>
    entry.manager === manager && entry.subresource === subresource;
  const others = entries.filter((entry) => !isOurs(entry));
  const before = entries.find(isOurs);
  if (!request.force) refuseConflicts(live, intent, fields, others, listTypes);

  let merged: unknown = live === undefined ? intent : merge(live, intent, [], listTypes);
  if (before !== undefined) {
    const kept = others.reduce((tree, entry) => union(tree, entry.fieldsV1), fields);
    merged = prune(merged, before.fieldsV1, kept, [], listTypes);
  }
  const object = merged as KubeObject;
  const unchanged = before !== undefined && deepEqual(before.fieldsV1, fields);
  const entry: ManagedFields = {
    manager,
    operation: "Apply",
    apiVersion: applied.apiVersion,
    time: unchanged ? before.time : request.time,
    fieldsType: "FieldsV1",
    fieldsV1: fields,
    ...(subresource === undefined ? {} : { subresource }),
  };
  const managedFields = [...others, entry].sort((a, b) => (a.manager < b.manager ? -1 : 1));
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

function managedFieldsOf(object: KubeObject | undefined): readonly ManagedFields[] {
  const entries = object?.metadata.managedFields;
  if (!Array.isArray(entries)) return [];
  return entries.filter(
    (entry): entry is ManagedFields =>
      isObject(entry) && typeof entry["manager"] === "string" && isObject(entry["fieldsV1"]),
  );
}

/** What identifies the object belongs to nobody. */
const UNOWNED = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "generation",
]);

function ownedFields(object: JsonObject, listTypes: ListTypes): FieldTree {
  const { metadata } = object;
  const rest = omit(object, "apiVersion", "kind", "metadata");
  const owned = Object.entries(asObject(metadata)).filter(([field]) => !UNOWNED.has(field));
  const body = owned.length === 0 ? rest : { ...rest, metadata: Object.fromEntries(owned) };
  return fieldsOf(body, [], listTypes);
}

function fieldsOf(value: unknown, path: readonly string[], listTypes: ListTypes): FieldTree {
  const tree: FieldTree = {};
  if (isObject(value)) {
    for (const [field, inner] of Object.entries(value)) {
      tree[`f:${field}`] = fieldsOf(inner, [...path, field], listTypes);
    }
  } else if (Array.isArray(value)) {
    const type = listTypes(path, value);
    if (type?.kind === "set") {
      for (const item of value) tree[`v:${JSON.stringify(item)}`] = {};
    } else if (type !== undefined) {
      for (const item of value) {
        tree[`k:${itemKey(item, type.keys)}`] = { ".": {}, ...fieldsOf(item, path, listTypes) };
      }
    }
  }
  return tree;
}

function merge(
  live: unknown,
  applied: unknown,
  path: readonly string[],
  listTypes: ListTypes,
): unknown {
  if (isObject(applied) && isObject(live)) {
    const result: JsonObject = { ...live };
    for (const [field, value] of Object.entries(applied)) {
      const own = Object.hasOwn(live, field) ? live[field] : undefined;
      setField(result, field, merge(own, value, [...path, field], listTypes));
    }
    return result;
  }
  if (!Array.isArray(applied) || !Array.isArray(live)) return applied;
  const type = listTypes(path, [...(live as unknown[]), ...(applied as unknown[])]);
  if (type === undefined) return applied;
  if (type.kind === "set") {
    const known = new Set(live.map((item) => JSON.stringify(item)));
    return [
      ...(live as unknown[]),
      ...(applied as unknown[]).filter((item) => !known.has(JSON.stringify(item))),
    ];
  }
  const byKey = new Map<string, unknown>(live.map((item) => [itemKey(item, type.keys), item]));
  for (const item of applied) {
    const key = itemKey(item, type.keys);
    byKey.set(key, byKey.has(key) ? merge(byKey.get(key), item, path, listTypes) : item);
  }
  return [...byKey.values()];
}

/** Takes out what `owned` names and `kept` does not; an object or list that this empties goes as well. */
function prune(
  value: unknown,
  owned: FieldTree,
  kept: FieldTree,
  path: readonly string[],
  listTypes: ListTypes,
): unknown {
  if (isObject(value)) {
    const result: JsonObject = { ...value };
    for (const [key, tree] of Object.entries(owned)) {
      if (!key.startsWith("f:")) continue;
      const field = key.slice(2);
      if (!Object.hasOwn(result, field)) continue;
      const keep = kept[key];
      if (keep === undefined && Object.keys(tree).length === 0) {
        Reflect.deleteProperty(result, field);
        continue;
      }
      const inner = prune(result[field], tree, keep ?? {}, [...path, field], listTypes);
      if (keep === undefined && isEmpty(inner)) Reflect.deleteProperty(result, field);
      else setField(result, field, inner);
    }
    return result;
  }
  if (!Array.isArray(value)) return value;
  const type = listTypes(path, value);
  if (type === undefined) return value;
  return (value as unknown[]).flatMap((item) => {
    const key = type.kind === "set" ? `v:${JSON.stringify(item)}` : `k:${itemKey(item, type.keys)}`;
    const tree = owned[key];
    if (tree === undefined) return [item];
    const keep = kept[key];
    if (keep === undefined) return [];
    return [type.kind === "set" ? item : prune(item, tree, keep, path, listTypes)];
  });
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

function union(a: FieldTree, b: FieldTree): FieldTree {
  const result: FieldTree = { ...a };
  for (const [key, tree] of Object.entries(b)) {
    const own = result[key];
    result[key] = own === undefined ? tree : union(own, tree);
  }
  return result;
}

function refuseConflicts(
  live: KubeObject | undefined,
  intent: KubeObject,
  fields: FieldTree,
  others: readonly ManagedFields[],
  listTypes: ListTypes,
): void {
  if (live === undefined) return;
  const changed = differences(live, intent, [], listTypes);
  for (const other of others) {
    const causes = leaves(fields, other.fieldsV1, "").filter((field) => changed.has(field));
    if (causes.length === 0) continue;
    throw statusError(
      409,
      "Conflict",
      `Apply failed with ${String(causes.length)} conflict${causes.length > 1 ? "s" : ""}: ` +
        `conflict${causes.length > 1 ? "s" : ""} with "${other.manager}": ${causes.join(", ")}`,
      {
        causes: causes.map((field) => ({
          reason: "FieldManagerConflict",
          message: `conflict with "${other.manager}"`,
          field,
        })),
      },
    );
  }
}

/** Paths of the leaves that both trees own. */
function leaves(a: FieldTree, b: FieldTree, path: string): string[] {
  return Object.entries(a).flatMap(([key, tree]) => {
    const other = b[key];
    if (other === undefined || key === ".") return [];
    const here = path + pathPart(key);
    const isLeaf = Object.keys(tree).length === 0 || Object.keys(other).length === 0;
    return isLeaf ? [here] : leaves(tree, other, here);
  });
}

/** Paths of the leaves at which the intent differs from the live object. */
function differences(
  live: unknown,
  intent: unknown,
  path: readonly string[],
  listTypes: ListTypes,
  text = "",
): Set<string> {
  const found = new Set<string>();
  const add = (inner: Iterable<string>): void => {
    for (const each of inner) found.add(each);
  };
  if (isObject(intent) && isObject(live)) {
    for (const [field, value] of Object.entries(intent)) {
      add(differences(live[field], value, [...path, field], listTypes, `${text}.${field}`));
    }
    return found;
  }
  const type = Array.isArray(intent) ? listTypes(path, intent) : undefined;
  if (Array.isArray(intent) && Array.isArray(live) && type?.kind === "map") {
    const byKey = new Map<string, unknown>(live.map((item) => [itemKey(item, type.keys), item]));
    for (const item of intent) {
      const key = itemKey(item, type.keys);
      add(differences(byKey.get(key), item, path, listTypes, text + pathPart(`k:${key}`)));
    }
    return found;
  }
  if (!deepEqual(live, intent)) found.add(text);
  return found;
}

function pathPart(key: string): string {
  return key.startsWith("f:") ? `.${key.slice(2)}` : `[${key.slice(2)}]`;
}
