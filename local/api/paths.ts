/** A path of the REST API of objects, taken apart (Kubernetes API concepts, "Resource URIs"). */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  /** "" for kinds without a namespace and for all namespaces. */
  readonly namespace: string;
  readonly plural: string;
  /** Absent for a collection. */
  readonly name?: string;
  readonly subresource?: string;
}

/** @returns undefined when the path is none of an object or a collection. */
export function parsePath(path: string): ResourcePath | undefined {
  let parts: string[];
  try {
    parts = path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
  let group = "";
  let version: string | undefined;
  if (parts[0] === "api") [, version] = parts.splice(0, 2);
  else if (parts[0] === "apis") [, group = "", version] = parts.splice(0, 3);
  if (version === undefined || parts.length === 0) return undefined;
  let namespace = "";
  const [first, second, third] = parts;
  // /namespaces/x and its status and finalize are of the kind Namespace itself.
  const ofNamespaceItself = third === undefined || third === "status" || third === "finalize";
  if (first === "namespaces" && second !== undefined && !ofNamespaceItself) {
    namespace = second;
    parts.splice(0, 2);
  }
  const [plural, name, subresource] = parts;
  if (plural === undefined || parts.length > 3) return undefined;
  return {
    group,
    version,
    namespace,
    plural,
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}
