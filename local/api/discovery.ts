import type { CustomKinds } from "./custom-kinds.ts";
import type { ObjectStore } from "./object-store.ts";
import type { ResourceInfo } from "./resources.ts";
import type { Schema } from "./schema.ts";

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const VERSION = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0-forebay-local",
  platform: "local",
};

/** Answers the paths that tell what is served, or undefined when `path` is none of them. */
export function discovery(
  path: string,
  store: ObjectStore,
  custom: CustomKinds,
): Record<string, unknown> | undefined {
  switch (path) {
    case "/version":
      return VERSION;
    case "/api":
      return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
    case "/apis":
      return { kind: "APIGroupList", apiVersion: "v1", groups: groupsOf(store, custom) };
    case "/openapi/v2":
      return {
        swagger: "2.0",
        info: { title: "Forebay local", version: VERSION.gitVersion },
        paths: {},
        definitions: {},
      };
    case "/openapi/v3":
      return { paths: Object.fromEntries(groupVersions(store, custom).map(openApiEntry)) };
  }
  const openApi = /^\/openapi\/v3\/(api|apis)(?:\/([^/]+))?\/([^/]+)$/.exec(path);
  if (openApi !== null) return openApiDocument(openApi[2] ?? "", openApi[3] ?? "", store, custom);
  const group = /^\/apis\/([^/]+)$/.exec(path)?.[1];
  if (group !== undefined) {
    const found = groupsOf(store, custom).find(({ name }) => name === group);
    return found === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...found };
  }
  const version = path === "/api/v1" ? ["", "", "v1"] : /^\/apis\/([^/]+)\/([^/]+)$/.exec(path);
  if (version === null) return undefined;
  return resourceList(version[1] ?? "", version[2] ?? "", store, custom);
}

interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

interface Group {
  readonly name: string;
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
  readonly preferredVersion:
    { readonly groupVersion: string; readonly version: string } | undefined;
}

/** The versions at which a kind is served. */
export function servedVersions(info: ResourceInfo, custom: CustomKinds): readonly string[] {
  return info.custom === true ? [...(custom.get(info)?.versions.keys() ?? [])] : [info.version];
}

function groupVersions(store: ObjectStore, custom: CustomKinds): GroupVersion[] {
  const found = new Map<string, GroupVersion>();
  for (const info of store.kinds()) {
    for (const version of servedVersions(info, custom)) {
      found.set(`${info.group}/${version}`, { group: info.group, version });
    }
  }
  return [...found.values()];
}

function groupsOf(store: ObjectStore, custom: CustomKinds): Group[] {
  const byGroup = new Map<string, { groupVersion: string; version: string }[]>();
  for (const { group, version } of groupVersions(store, custom)) {
    if (group === "") continue;
    const versions = byGroup.get(group) ?? [];
    versions.push({ groupVersion: `${group}/${version}`, version });
    byGroup.set(group, versions);
  }
  return [...byGroup].map(([name, versions]) => ({
    name,
    versions,
    preferredVersion: versions[0],
  }));
}

function resourceList(
  group: string,
  version: string,
  store: ObjectStore,
  custom: CustomKinds,
): Record<string, unknown> | undefined {
  const infos = store
    .kinds()
    .filter((info) => info.group === group && servedVersions(info, custom).includes(version));
  if (infos.length === 0) return undefined;
  const resources = infos.flatMap((info) => {
    const { plural, singular, kind, namespaced, shortNames, categories } = info;
    const sub = (name: string, more: Record<string, unknown>): Record<string, unknown> => ({
      name: `${plural}/${name}`,
      singularName: "",
      namespaced,
      kind,
      verbs: ["get", "patch", "update"],
      ...more,
    });
    return [
      {
        name: plural,
        singularName: singular,
        namespaced,
        kind,
        verbs: VERBS,
        ...(shortNames === undefined || shortNames.length === 0 ? {} : { shortNames }),
        ...(categories === undefined || categories.length === 0 ? {} : { categories }),
      },
      ...(info.status ? [sub("status", {})] : []),
      ...(info.scale === undefined
        ? []
        : [sub("scale", { group: "autoscaling", version: "v1", kind: "Scale" })]),
      ...(group === "" && plural === "pods" ? [sub("log", { verbs: ["get"] })] : []),
    ];
  });
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources,
  };
}

function openApiEntry({ group, version }: GroupVersion): [string, { serverRelativeURL: string }] {
  const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
  return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${version}` }];
}

function openApiDocument(
  group: string,
  version: string,
  store: ObjectStore,
  custom: CustomKinds,
): Record<string, unknown> | undefined {
  const schemas: Record<string, Schema> = {};
  const paths: Record<string, unknown> = {};
  for (const info of store.kinds()) {
    if (info.group !== group || !servedVersions(info, custom).includes(version)) continue;
    const own = custom.get(info)?.versions.get(version)?.schema ?? {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
    };
    const gvk = { group, version, kind: info.kind };
    const name = `${group === "" ? "core" : group.split(".").reverse().join(".")}.${version}.${info.kind}`;
    schemas[name] = { ...own, "x-kubernetes-group-version-kind": [gvk] };
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const scope = info.namespaced ? "/namespaces/{namespace}" : "";
    // kubectl looks here whether the server validates fields itself, and then sends them to it.
    const fieldValidation = { name: "fieldValidation", in: "query", schema: { type: "string" } };
    const dryRun = { name: "dryRun", in: "query", schema: { type: "string" } };
    const operation = {
      parameters: [dryRun, fieldValidation],
      "x-kubernetes-group-version-kind": gvk,
      responses: { "200": { description: "OK" } },
    };
    paths[`${root}${scope}/${info.plural}`] = { post: operation };
    paths[`${root}${scope}/${info.plural}/{name}`] = { put: operation, patch: operation };
  }
  if (Object.keys(schemas).length === 0) return undefined;
  return {
    openapi: "3.0.0",
    info: { title: "Forebay local", version: VERSION.gitVersion },
    paths,
    components: { schemas },
  };
}
