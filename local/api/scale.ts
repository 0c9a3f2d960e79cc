import type { KubeObject } from "../../kube/objects.ts";
import { asObject, deepCopy, isObject, omit, setField } from "./json.ts";
import { jsonPath } from "./json-path.ts";
import type { ScalePaths } from "./resources.ts";
import { statusError } from "./status-errors.ts";

/** The autoscaling/v1 Scale of an object. */
export function scaleOf(object: KubeObject, paths: ScalePaths): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const number = (path: string): number => Number(jsonPath(object, path)[0] ?? 0);
  const selector =
    paths.labelSelectorPath === undefined
      ? matchLabels(object)
      : jsonPath(object, paths.labelSelectorPath)[0];
  const status = {
    replicas: number(paths.statusReplicasPath),
    ...(typeof selector === "string" && selector !== "" ? { selector } : {}),
  };
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    ...{ spec: { replicas: number(paths.specReplicasPath) }, status },
  };
}

/** The object with the replicas of a Scale; the version of the Scale is the one expected. */
export function withScale(object: KubeObject, scale: unknown, paths: ScalePaths): KubeObject {
  const replicas = asObject(asObject(scale)["spec"])["replicas"] ?? 0;
  if (!Number.isInteger(replicas) || Number(replicas) < 0) {
    throw statusError(
      422,
      "Invalid",
      `Scale.autoscaling "${object.metadata.name}" is invalid: spec.replicas: Invalid value`,
    );
  }
  const copy = deepCopy(object);
  const fields = paths.specReplicasPath.split(".").filter((field) => field !== "");
  const last = fields.pop() ?? "replicas";
  let target = asObject(copy);
  for (const field of fields) {
    if (!isObject(target[field])) setField(target, field, {});
    target = asObject(target[field]);
  }
  setField(target, last, replicas);
  const metadata = omit(copy.metadata, "resourceVersion");
  const expected = asObject(asObject(scale)["metadata"])["resourceVersion"];
  return {
    ...copy,
    metadata: typeof expected === "string" ? { ...metadata, resourceVersion: expected } : metadata,
  };
}

function matchLabels(object: KubeObject): string {
  const labels = asObject(jsonPath(object, ".spec.selector.matchLabels")[0]);
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(",");
}
