import type { KubeObject } from "../../kube/objects.ts";
import { asObject, deepCopy, isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { CUSTOM_RESOURCE_DEFINITIONS } from "./resources.ts";
import { keyOfKind } from "./object-store.ts";
import type { KindRef, ObjectStore } from "./object-store.ts";
import type { ResourceInfo, ScalePaths } from "./resources.ts";
import type { Schema } from "./schema.ts";
import { applyDefaults } from "./schema-defaults.ts";
import { pruneObject } from "./schema-pruning.ts";
import { rulesSkipped, validate } from "./schema-validation.ts";
import { validateRules } from "./validation-rules.ts";
import { invalid, statusError } from "./status-errors.ts";

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority?: number;
  readonly description?: string;
}

/** One served version of a custom kind. */
export interface CustomVersion {
  readonly name: string;
  readonly storage: boolean;
  readonly schema: Schema;
  readonly columns: readonly PrinterColumn[];
}

export interface CustomKind {
  readonly info: ResourceInfo;
  readonly versions: ReadonlyMap<string, CustomVersion>;
}

/** Follows the CustomResourceDefinitions of a store: registers their kinds and checks their objects. */
export class CustomKinds {
  readonly #store: ObjectStore;
  readonly #kinds = new Map<string, CustomKind>();

  constructor(store: ObjectStore) {
    this.#store = store;
    for (const definition of store.list(CUSTOM_RESOURCE_DEFINITIONS, ""))
      this.#register(definition);
    const ours = keyOfKind(CUSTOM_RESOURCE_DEFINITIONS);
    store.onChange((change) => {
      if (change.resource !== ours) return;
      if (change.type === "DELETED") this.#remove(change.object);
      else this.#register(change.object);
    });
  }

  get(kind: KindRef): CustomKind | undefined {
    return this.#kinds.get(keyOfKind(kind));
  }

  all(): readonly CustomKind[] {
    return [...this.#kinds.values()];
  }

  /**
   * Defaults, prunes and validates an object of a custom kind. @returns the object to store.
   * @throws InvalidError, or KubeError 400 for unknown fields when `strict`
   */
  admit(
    kind: KindRef,
    version: string,
    object: KubeObject,
    old: KubeObject | undefined,
    strict: boolean,
  ): KubeObject {
    const custom = this.get(kind);
    const schema = custom?.versions.get(version)?.schema;
    if (custom === undefined || schema === undefined) return object;
    const copy = deepCopy(object);
    const unknown = pruneObject(copy, schema);
    if (strict && unknown.length > 0) throw unknownFields(custom.info, copy, unknown);
    applyDefaults(copy, schema);
    const causes = validate(copy, schema, old);
    const skipped = rulesSkipped(causes);
    causes.push(...(skipped === undefined ? validateRules(schema, copy, old) : [skipped]));
    if (causes.length > 0) throw invalid(kind.group, copy.kind, copy.metadata.name, causes);
    return copy;
  }

  #register(definition: KubeObject): void {
    const kind = parseDefinition(definition);
    this.#kinds.set(keyOfKind(kind.info), kind);
    this.#store.register(kind.info);
  }

  #remove(definition: KubeObject): void {
    const { info } = parseDefinition(definition);
    for (const { metadata } of this.#store.list(info, "")) {
      this.#store.delete(info, metadata.namespace ?? "", metadata.name);
    }
    this.#kinds.delete(keyOfKind(info));
    this.#store.unregister(info);
  }
}

/** What the API server answers to `fieldValidation=Strict`, which kubectl asks for. */
function unknownFields(info: ResourceInfo, object: KubeObject, fields: readonly string[]): Error {
  const { kind, metadata } = object;
  const list = fields.map((field) => `unknown field "${field}"`).join(", ");
  return statusError(
    400,
    "BadRequest",
    `${kind} in version "${object.apiVersion.split("/").at(-1) ?? info.version}" cannot be handled as a ${kind}: ` +
      `strict decoding error: ${list}`,
    { name: metadata.name, group: info.group, kind: info.plural },
  );
}

/** A definition as it is stored: accepted and established at once. @throws InvalidError when it cannot be served */
export function admitDefinition(definition: KubeObject, now: string): KubeObject {
  const { info, versions } = parseDefinition(definition);
  const causes = [];
  if (definition.metadata.name !== `${info.plural}.${info.group}`) {
    causes.push({
      reason: "FieldValueInvalid",
      field: "metadata.name",
      message: `Invalid value: ${JSON.stringify(definition.metadata.name)}: must be spec.names.plural+"."+spec.group`,
    });
  }
  if ([...versions.values()].filter(({ storage }) => storage).length !== 1) {
    causes.push({
      reason: "FieldValueInvalid",
      field: "spec.versions",
      message: "Invalid value: must have exactly one version marked as storage version",
    });
  }
  if (causes.length > 0) {
    throw invalid(
      CUSTOM_RESOURCE_DEFINITIONS.group,
      definition.kind,
      definition.metadata.name,
      causes,
    );
  }
  const previous = asObject(asObject(definition)["status"])["conditions"];
  const condition = (type: string, reason: string, message: string): JsonObject => ({
    type,
    status: "True",
    reason,
    message,
    lastTransitionTime: now,
  });
  const status = {
    acceptedNames: asObject(asObject(definition)["spec"])["names"],
    storedVersions: [info.version],
    conditions: Array.isArray(previous)
      ? previous
      : [
          condition("NamesAccepted", "NoConflicts", "no conflicts found"),
          condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
  };
  return { ...definition, ...{ status } };
}

function parseDefinition(definition: KubeObject): CustomKind {
  const spec = asObject(asObject(definition)["spec"]);
  const names = asObject(spec["names"]);
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : []);
  const listed = (Array.isArray(spec["versions"]) ? spec["versions"] : []).filter(isObject);
  const versions = new Map<string, CustomVersion>();
  for (const version of listed) {
    if (version["served"] === false) continue;
    const columns = version["additionalPrinterColumns"];
    versions.set(text(version["name"]), {
      name: text(version["name"]),
      storage: version["storage"] === true,
      schema: asObject(asObject(version["schema"])["openAPIV3Schema"]),
      columns: Array.isArray(columns) ? (columns as readonly PrinterColumn[]) : [],
    });
  }
  const stored = listed.find((version) => version["storage"] === true) ?? listed[0] ?? {};
  const subresources = asObject(stored["subresources"]);
  const kind = text(names["kind"]);
  return {
    info: {
      group: text(spec["group"]),
      version: text(stored["name"]),
      plural: text(names["plural"]),
      singular: text(names["singular"]) || kind.toLowerCase(),
      kind,
      namespaced: spec["scope"] !== "Cluster",
      status: subresources["status"] !== undefined,
      shortNames: texts(names["shortNames"]),
      categories: texts(names["categories"]),
      custom: true,
      ...(isObject(subresources["scale"])
        ? { scale: subresources["scale"] as unknown as ScalePaths }
        : {}),
    },
    versions,
  };
}
