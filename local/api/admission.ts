import type { KubeObject } from "../../kube/objects.ts";
import { admitDefinition } from "./custom-kinds.ts";
import type { CustomKinds } from "./custom-kinds.ts";
import { asObject } from "./json.ts";
import type { KindRef } from "./object-store.ts";
import { qualified } from "./status-errors.ts";

/** Defaults, pruning and validation of one write. */
export type Admit = (object: KubeObject, old: KubeObject | undefined) => KubeObject;

/** What is done with an object of `kind`, written at `version`, before it is stored. `now` is RFC 3339. */
export function admissionOf(
  kind: KindRef,
  version: string,
  custom: CustomKinds,
  now: string,
  strict = false,
): Admit {
  return (object, old) => {
    if (custom.get(kind) !== undefined) return custom.admit(kind, version, object, old, strict);
    switch (qualified(kind.group, kind.plural)) {
      case "customresourcedefinitions.apiextensions.k8s.io":
        return admitDefinition(object, now);
      case "namespaces":
        return withDefault(object, "status", { phase: "Active" });
      case "pods":
        return withDefault(object, "status", { phase: "Pending" });
      case "persistentvolumeclaims":
        return withDefault(object, "status", { phase: "Pending" });
      case "services": {
        const spec = asObject(asObject(object)["spec"]);
        return { ...object, ...{ spec: { type: "ClusterIP", sessionAffinity: "None", ...spec } } };
      }
      case "secrets":
        return encodeStringData(withDefault(object, "type", "Opaque"));
      default:
        return object;
    }
  };
}

function withDefault(object: KubeObject, field: string, value: unknown): KubeObject {
  return asObject(object)[field] === undefined ? { ...object, ...{ [field]: value } } : object;
}

/** `stringData` is write-only: it ends up in `data` as base64. */
function encodeStringData(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object as KubeObject & { stringData?: unknown };
  if (stringData === undefined) return object;
  const encoded = Object.entries(asObject(stringData)).map(([name, value]) => [
    name,
    Buffer.from(String(value)).toString("base64"),
  ]);
  const data = { ...asObject(asObject(rest)["data"]), ...(Object.fromEntries(encoded) as object) };
  return { ...rest, ...{ data } };
}
