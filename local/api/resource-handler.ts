import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler } from "../../lib/clock.ts";
import { admissionOf } from "./admission.ts";
import { applyObject } from "./apply.ts";
import type { CustomKinds } from "./custom-kinds.ts";
import { servedVersions } from "./discovery.ts";
import { asObject, isObject } from "./json.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { builtInListTypes } from "./list-keys.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { NAMESPACES } from "./resources.ts";
import type { ResourceInfo } from "./resources.ts";
import { rfc3339 } from "./object-store.ts";
import type { ObjectStore, StoreWriteOptions } from "./object-store.ts";
import type { ResourcePath } from "./paths.ts";
import { scaleOf, withScale } from "./scale.ts";
import { listTypesOf } from "./schema.ts";
import { fieldFilter, labelFilter } from "./selectors.ts";
import type { ObjectFilter } from "./selectors.ts";
import { notFound, statusError } from "./status-errors.ts";
import { applyStrategicMerge } from "./strategic-merge.ts";

export interface ApiRequest {
  readonly method: string;
  readonly path: ResourcePath;
  readonly query: URLSearchParams;
  readonly contentType: string;
  /** Parsed JSON or YAML; undefined when there was none. */
  readonly body: unknown;
}

/** What to answer: one object, or the objects of a list. */
export type ApiAnswer =
  | { readonly kind: "object"; readonly code: number; readonly object: KubeObject }
  | { readonly kind: "status"; readonly code: number; readonly status: Record<string, unknown> }
  | {
      readonly kind: "list";
      readonly items: readonly KubeObject[];
      readonly metadata: Record<string, unknown>;
    };

/** Lists that are being paged through; older ones expire. */
const MAX_OPEN_LISTS = 64;

/** The verbs on objects and collections, apart from watch and HTTP. */
export class ResourceHandler {
  readonly #store: ObjectStore;
  readonly #custom: CustomKinds;
  readonly #scheduler: Scheduler;
  readonly #openLists = new Map<
    string,
    { readonly items: KubeObject[]; readonly revision: string }
  >();
  #nextList = 0;

  constructor(store: ObjectStore, custom: CustomKinds, scheduler: Scheduler) {
    this.#store = store;
    this.#custom = custom;
    this.#scheduler = scheduler;
  }

  /** The kind that a path names. @throws KubeError 404 when it is not served */
  infoOf(path: ResourcePath): ResourceInfo {
    const info = this.#store.info(path);
    if (info === undefined || !servedVersions(info, this.#custom).includes(path.version)) {
      throw statusError(404, "NotFound", "the server could not find the requested resource");
    }
    return info;
  }

  filterOf(query: URLSearchParams, name?: string): ObjectFilter {
    const labels = labelFilter(query.get("labelSelector") ?? undefined);
    const fields = fieldFilter(query.get("fieldSelector") ?? undefined);
    return (object) =>
      (name === undefined || object.metadata.name === name) && labels(object) && fields(object);
  }

  /** @throws KubeError */
  handle(request: ApiRequest): ApiAnswer {
    const { method, path } = request;
    const info = this.infoOf(path);
    const named = path.name !== undefined;
    if (method === "GET") return named ? this.#get(info, request) : this.#list(info, request);
    if (method === "POST" && !named) return this.#create(info, request);
    if (method === "PUT" && named) return this.#replace(info, request);
    if (method === "PATCH" && named) return this.#patch(info, request);
    if (method === "DELETE")
      return named ? this.#delete(info, request) : this.#deleteAll(info, request);
    throw statusError(
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
    );
  }

  #get(info: ResourceInfo, { path }: ApiRequest): ApiAnswer {
    const object = this.#store.get(info, path.namespace, path.name ?? "");
    return { kind: "object", code: 200, object: this.#present(info, path, object) };
  }

  #list(info: ResourceInfo, { path, query }: ApiRequest): ApiAnswer {
    const token = query.get("continue") ?? "";
    let revision = this.#store.resourceVersion;
    let items: KubeObject[];
    if (token === "") items = this.#store.list(info, path.namespace, this.filterOf(query));
    else {
      const rest = this.#openLists.get(token);
      this.#openLists.delete(token);
      if (rest === undefined) {
        throw statusError(
          410,
          "Expired",
          "The provided continue parameter is too old to display a consistent list result.",
        );
      }
      ({ items, revision } = rest);
    }
    const limit = Number(query.get("limit") ?? 0);
    const metadata: Record<string, unknown> = { resourceVersion: revision };
    if (limit > 0 && items.length > limit) {
      const next = String(this.#nextList++);
      this.#openLists.set(next, { items: items.slice(limit), revision });
      for (const oldest of this.#openLists.keys()) {
        if (this.#openLists.size <= MAX_OPEN_LISTS) break;
        this.#openLists.delete(oldest);
      }
      metadata["continue"] = next;
      metadata["remainingItemCount"] = items.length - limit;
      items = items.slice(0, limit);
    }
    return { kind: "list", items: items.map((item) => versioned(item, path)), metadata };
  }

  #create(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path } = request;
    const object = this.#input(info, request.body, path);
    this.#requireNamespace(info, path);
    const stored = this.#store.create(info, path.namespace, object, this.#options(request));
    return { kind: "object", code: 201, object: versioned(stored, path) };
  }

  #replace(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path, body } = request;
    const name = path.name ?? "";
    if (path.subresource === "scale") {
      const live = this.#store.get(info, path.namespace, name);
      return this.#write(info, request, withScale(live, body, scalePaths(info)));
    }
    return this.#write(info, request, this.#input(info, body, path));
  }

  #patch(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path, contentType, body } = request;
    const name = path.name ?? "";
    if (contentType === "application/apply-patch+yaml") return this.#apply(info, request);
    const live = this.#present(info, path, this.#store.get(info, path.namespace, name));
    const next = patched(live, body, contentType, info);
    const expected = asObject(asObject(body)["metadata"])["resourceVersion"];
    if (path.subresource === "scale") {
      const stored = this.#store.get(info, path.namespace, name);
      return this.#write(info, request, withScale(stored, next, scalePaths(info)));
    }
    const object = next as KubeObject;
    if (!isObject(next) || asObject(next["metadata"])["name"] !== name) {
      throw statusError(
        400,
        "BadRequest",
        "the name of the object does not match the name on the URL",
      );
    }
    // A patch that does not name a version applies to whatever there is; nothing can have changed in between.
    const wanted = typeof expected === "string" ? expected : live.metadata.resourceVersion;
    const metadata = {
      ...object.metadata,
      ...(wanted === undefined ? {} : { resourceVersion: wanted }),
    };
    return this.#write(info, request, { ...object, metadata });
  }

  #apply(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path, query } = request;
    const name = path.name ?? "";
    const applied = this.#input(info, request.body, path);
    const live = this.#store.find(info, path.namespace, name);
    const schema = this.#custom.get(info)?.versions.get(path.version)?.schema;
    const subresource = path.subresource === "status" ? ("status" as const) : undefined;
    const manager = query.get("fieldManager") ?? "";
    if (manager === "") {
      throw statusError(
        400,
        "BadRequest",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    }
    const object = applyObject(live, applied, {
      manager,
      force: query.get("force") === "true",
      listTypes: schema === undefined ? builtInListTypes : listTypesOf(schema),
      time: this.#now(),
      ...(subresource === undefined ? {} : { subresource }),
    });
    if (live !== undefined) return this.#write(info, request, object);
    if (subresource !== undefined) throw notFound(info.group, info.plural, name);
    this.#requireNamespace(info, path);
    const stored = this.#store.create(info, path.namespace, object, this.#options(request));
    return { kind: "object", code: 201, object: versioned(stored, path) };
  }

  #write(info: ResourceInfo, request: ApiRequest, object: KubeObject): ApiAnswer {
    const { path } = request;
    const stored = this.#store.update(info, path.namespace, object, this.#options(request));
    return { kind: "object", code: 200, object: this.#present(info, path, stored) };
  }

  #delete(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path } = request;
    const name = path.name ?? "";
    const result = this.#store.delete(info, path.namespace, name, deleteOptions(request));
    if (!result.removed)
      return { kind: "object", code: 200, object: versioned(result.object, path) };
    return {
      kind: "status",
      code: 200,
      status: {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        details: { name, group: info.group, kind: info.plural, uid: result.object.metadata.uid },
      },
    };
  }

  #deleteAll(info: ResourceInfo, request: ApiRequest): ApiAnswer {
    const { path, query } = request;
    const items = this.#store.list(info, path.namespace, this.filterOf(query));
    for (const { metadata } of items) {
      this.#store.delete(info, metadata.namespace ?? "", metadata.name, deleteOptions(request));
    }
    const metadata = { resourceVersion: this.#store.resourceVersion };
    return { kind: "list", items: items.map((item) => versioned(item, path)), metadata };
  }

  /** @throws KubeError 400 for a body that is not an object of this kind at this path */
  #input(info: ResourceInfo, body: unknown, path: ResourcePath): KubeObject {
    const bad = (message: string): Error => statusError(400, "BadRequest", message);
    if (!isObject(body)) throw bad("the body of the request is not an object");
    const apiVersion = apiVersionOf(path);
    if (
      (body["kind"] ?? info.kind) !== info.kind ||
      (body["apiVersion"] ?? apiVersion) !== apiVersion
    ) {
      throw bad(
        `${String(body["kind"])} in version "${String(body["apiVersion"])}" cannot be handled as a ${info.kind}`,
      );
    }
    const metadata = asObject(body["metadata"]);
    if (info.namespaced && (metadata["namespace"] ?? path.namespace) !== path.namespace) {
      throw bad(
        "the namespace of the provided object does not match the namespace sent on the request",
      );
    }
    if (path.name !== undefined && (metadata["name"] ?? path.name) !== path.name) {
      throw bad(
        `the name of the object (${String(metadata["name"])}) does not match the name on the URL (${path.name})`,
      );
    }
    const name = path.name ?? metadata["name"];
    return {
      ...body,
      apiVersion,
      kind: info.kind,
      metadata: { ...metadata, name },
    } as unknown as KubeObject;
  }

  #requireNamespace(info: ResourceInfo, path: ResourcePath): void {
    if (!info.namespaced) return;
    if (path.namespace === "") {
      throw statusError(400, "BadRequest", "an empty namespace may not be set during creation");
    }
    const namespace = this.#store.get(NAMESPACES, "", path.namespace);
    if (namespace.metadata.deletionTimestamp !== undefined) {
      throw statusError(403, "Forbidden", `namespace ${path.namespace} is being terminated`);
    }
  }

  #options({ path, query }: ApiRequest): StoreWriteOptions {
    const { subresource } = path;
    if (subresource !== undefined && !["status", "scale", "finalize"].includes(subresource)) {
      throw statusError(404, "NotFound", "the server could not find the requested resource");
    }
    const strict = query.get("fieldValidation") === "Strict";
    return {
      dryRun: query.get("dryRun") === "All",
      admit: admissionOf(path, path.version, this.#custom, this.#now(), strict),
      ...(subresource === "status" ? { subresource } : {}),
    };
  }

  #present(info: ResourceInfo, path: ResourcePath, object: KubeObject): KubeObject {
    return path.subresource === "scale"
      ? scaleOf(object, scalePaths(info))
      : versioned(object, path);
  }

  #now(): string {
    return rfc3339(this.#scheduler.wallNow());
  }
}

/** The object at the version of the path; versions of a custom kind differ in nothing else here. */
export function versioned(object: KubeObject, path: ResourcePath): KubeObject {
  const apiVersion = apiVersionOf(path);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

function apiVersionOf({ group, version }: ResourcePath): string {
  return group === "" ? version : `${group}/${version}`;
}

function scalePaths(info: ResourceInfo): NonNullable<ResourceInfo["scale"]> {
  if (info.scale !== undefined) return info.scale;
  throw statusError(404, "NotFound", "the server could not find the requested resource");
}

function patched(
  live: KubeObject,
  body: unknown,
  contentType: string,
  info: ResourceInfo,
): unknown {
  switch (contentType) {
    case "application/json-patch+json":
      return applyJsonPatch(live, body);
    case "application/merge-patch+json":
      return applyMergePatch(live, body);
    case "application/strategic-merge-patch+json":
      if (info.custom !== true) return applyStrategicMerge(live, body);
  }
  throw statusError(
    415,
    "UnsupportedMediaType",
    "the body of the request was in an unknown format - accepted media types include: " +
      "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
  );
}

function deleteOptions({ body, query }: ApiRequest): Parameters<ObjectStore["delete"]>[3] {
  const options = asObject(body);
  const { uid, resourceVersion } = asObject(options["preconditions"]);
  const policy = options["propagationPolicy"] ?? query.get("propagationPolicy");
  const asked: unknown = options["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds");
  const grace = asked === undefined || asked === null ? undefined : Number(asked);
  const dryRun =
    query.get("dryRun") === "All" || JSON.stringify(options["dryRun"] ?? []).includes("All");
  return {
    dryRun,
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
    ...(policy === "Foreground" || policy === "Orphan" || policy === "Background"
      ? { propagationPolicy: policy }
      : {}),
    ...(grace === undefined || !Number.isInteger(grace) ? {} : { gracePeriodSeconds: grace }),
  };
}
