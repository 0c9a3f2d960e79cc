import type { KubeObject } from "../../kube/objects.ts";
import { childMeta, headlessName, selectorLabels, type ClusterContext } from "./context.ts";
import { podInputs, podTemplate } from "./pod-template.ts";
import { type Child, type StatefulSet, statefulSets } from "./workloads.ts";

/** Annotations of the StatefulSet: what the user wished of the pods, and the template that was made of it. */
const POD_INPUTS = "forebay.dev/pod-inputs";
const POD_TEMPLATE = "forebay.dev/pod-template";
/** The claim of each broker is `<this>-<pod>`. */
export const DATA_VOLUME = "data";

/**
 * The brokers. `OnDelete`: the operator itself decides when which pod may go. `Parallel`: after a power cut all of
 * them must come up to elect leaders, whichever is first.
 * @param live as it is now, if it is: what cannot be changed stays, and so does the pod template while the user's wish
 *   is the same, so that a new version of the operator restarts nothing
 */
export function statefulSet(context: ClusterContext, live?: StatefulSet): Child {
  const { cluster, shape, replicas } = context;
  const kept = keptTemplate(context, live);
  const template = kept ?? podTemplate(context);
  const metadata = childMeta(context, cluster.metadata.name);
  const object: StatefulSet = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: {
      ...metadata,
      annotations: {
        [POD_INPUTS]: podInputs(context),
        [POD_TEMPLATE]: JSON.stringify(template),
      },
    },
    spec: {
      replicas,
      serviceName: headlessName(context),
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: shape.storage.deletionPolicy === "delete" ? "Delete" : "Retain",
        whenScaled: "Retain",
      },
      selector: { matchLabels: selectorLabels(context) },
      template,
      // Templates of claims cannot be changed: volumes that are to grow do so one by one.
      volumeClaimTemplates: live?.spec["volumeClaimTemplates"] ?? claimTemplates(context),
    },
  };
  return { resource: statefulSets, object };
}

/** Whether this operator would have the pods otherwise than they are to be now, though the user's wish is the same. */
export function templateIsKept(context: ClusterContext, live: StatefulSet | undefined): boolean {
  const kept = keptTemplate(context, live);
  return kept !== undefined && JSON.stringify(kept) !== JSON.stringify(podTemplate(context));
}

/** The image that brokers keep while the user's wish is the same. */
export function keptImage(
  context: ClusterContext,
  live: StatefulSet | undefined,
): string | undefined {
  const spec = keptTemplate(context, live)?.["spec"] as
    { readonly containers?: readonly { readonly image?: string }[] } | undefined;
  return spec?.containers?.[0]?.image;
}

/** The template that was made of the present wish before. */
function keptTemplate(
  context: ClusterContext,
  live: KubeObject | undefined,
): Readonly<Record<string, unknown>> | undefined {
  const annotations = live?.metadata.annotations;
  if (annotations?.[POD_INPUTS] !== podInputs(context)) return undefined;
  let template: unknown;
  try {
    template = JSON.parse(annotations[POD_TEMPLATE] ?? "");
  } catch {
    // Somebody else has written it: made anew.
    return undefined;
  }
  return template !== null && typeof template === "object" && "spec" in template
    ? template
    : undefined;
}

function claimTemplates(context: ClusterContext): unknown {
  const { storage } = context.shape;
  return [
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: DATA_VOLUME, labels: selectorLabels(context) },
      spec: {
        accessModes: ["ReadWriteOnce"],
        ...(storage.storageClassName === undefined
          ? {}
          : { storageClassName: storage.storageClassName }),
        resources: { requests: { storage: storage.size } },
      },
    },
  ];
}
