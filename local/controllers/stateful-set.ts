import type { OwnerReference } from "../../kube/objects.ts";
import { controllerOf, isReady } from "../workloads.ts";
import type {
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StatefulSetStatus,
  Volume,
} from "../workloads.ts";
import { revisionHash } from "./revision.ts";

/** What has to be done for a StatefulSet now; the next look at it finds out what comes after. */
export type StatefulSetAction =
  | { readonly kind: "createClaim"; readonly claim: PersistentVolumeClaim }
  | { readonly kind: "deleteClaim"; readonly claim: PersistentVolumeClaim }
  | { readonly kind: "createPod"; readonly pod: Pod }
  | { readonly kind: "deletePod"; readonly pod: Pod; readonly why: "scale" | "update" | "failed" }
  | { readonly kind: "updateStatus"; readonly status: StatefulSetStatus };

/** Label of a pod: the revision of the template it was made from. */
export const REVISION_LABEL = "controller-revision-hash";

/**
 * The StatefulSet controller's decision (pure): stable names and claims, OrderedReady and Parallel, OnDelete and
 * RollingUpdate with its partition, retention of claims. A pod is always made from the newest template: no
 * ControllerRevisions are kept, so a pod lost in the middle of a rolling update comes back updated.
 * @param pods those whose controller is the set, in any state
 * @param claims those of the namespace
 */
export function planStatefulSet(
  set: StatefulSet,
  pods: readonly Pod[],
  claims: readonly PersistentVolumeClaim[],
): readonly StatefulSetAction[] {
  const own = pods.filter((pod) => controllerOf(pod)?.uid === set.metadata.uid);
  const revision = `${set.metadata.name}-${revisionHash(set.spec.template)}`;
  const actions: StatefulSetAction[] = [];
  if (set.metadata.deletionTimestamp === undefined) {
    const claimsByName = new Map(claims.map((claim) => [claim.metadata.name, claim]));
    const byOrdinal = new Map(own.map((pod) => [ordinalOf(set, pod), pod]));
    actions.push(
      ...planPods(set, revision, byOrdinal, claimsByName),
      ...planRetention(set, byOrdinal, claims),
    );
  }
  const status = statusOf(set, own, revision);
  if (JSON.stringify(set.status) !== JSON.stringify(status)) {
    actions.push({ kind: "updateStatus", status });
  }
  return actions;
}

/** Pods and claims to make and pods to end; with OrderedReady at most one change, and none while a pod is not ready. */
function planPods(
  set: StatefulSet,
  revision: string,
  byOrdinal: ReadonlyMap<number, Pod>,
  claims: ReadonlyMap<string, PersistentVolumeClaim>,
): StatefulSetAction[] {
  const actions: StatefulSetAction[] = [];
  const replicas = set.spec.replicas ?? 1;
  const ordered = (set.spec.podManagementPolicy ?? "OrderedReady") === "OrderedReady";

  for (let ordinal = 0; ordinal < replicas; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) {
      const wanted = claimsOf(set, ordinal);
      for (const claim of wanted) {
        if (!claims.has(claim.metadata.name)) actions.push({ kind: "createClaim", claim });
      }
      // A claim that is going away must be gone first: its successor is another volume.
      const blocked = wanted.some(
        ({ metadata }) => claims.get(metadata.name)?.metadata.deletionTimestamp !== undefined,
      );
      if (!blocked) actions.push({ kind: "createPod", pod: podOf(set, ordinal, revision) });
      if (ordered) return actions;
    } else if (pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") {
      if (pod.metadata.deletionTimestamp === undefined) {
        actions.push({ kind: "deletePod", pod, why: "failed" });
      }
      if (ordered) return actions;
    } else if (ordered && !isReady(pod)) return actions;
  }

  const condemned = [...byOrdinal]
    .filter(([ordinal]) => ordinal >= replicas)
    .sort(([a], [b]) => b - a)
    .map(([, pod]) => pod);
  for (const pod of condemned) {
    if (pod.metadata.deletionTimestamp === undefined) {
      actions.push({ kind: "deletePod", pod, why: "scale" });
    }
    if (ordered) return actions;
  }
  if (actions.length > 0) return actions;

  if (set.spec.updateStrategy?.type === "OnDelete") return actions;
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  for (let ordinal = replicas - 1; ordinal >= partition; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) return actions;
    if (revisionOf(pod) !== revision) {
      if (pod.metadata.deletionTimestamp === undefined) {
        actions.push({ kind: "deletePod", pod, why: "update" });
      }
      return actions;
    }
    if (!isReady(pod)) return actions;
  }
  return actions;
}

/** Claims to delete because the set was scaled down and wants them gone. */
function planRetention(
  set: StatefulSet,
  byOrdinal: ReadonlyMap<number, Pod>,
  claims: readonly PersistentVolumeClaim[],
): StatefulSetAction[] {
  if (set.spec.persistentVolumeClaimRetentionPolicy?.whenScaled !== "Delete") return [];
  const replicas = set.spec.replicas ?? 1;
  const prefixes = (set.spec.volumeClaimTemplates ?? []).map(
    ({ metadata }) => `${metadata.name}-${set.metadata.name}-`,
  );
  return claims
    .filter(({ metadata }) => {
      const prefix = prefixes.find((each) => metadata.name.startsWith(each));
      if (prefix === undefined || metadata.deletionTimestamp !== undefined) return false;
      const suffix = metadata.name.slice(prefix.length);
      return /^\d+$/.test(suffix) && Number(suffix) >= replicas && !byOrdinal.has(Number(suffix));
    })
    .map((claim) => ({ kind: "deleteClaim", claim }));
}

function statusOf(set: StatefulSet, pods: readonly Pod[], revision: string): StatefulSetStatus {
  const live = pods.filter(({ status }) => status?.phase !== "Failed");
  const ready = live.filter(isReady).length;
  const updated = live.filter((pod) => revisionOf(pod) === revision).length;
  const rolling = set.spec.updateStrategy?.type !== "OnDelete";
  const before = set.status?.currentRevision;
  // As in Kubernetes, OnDelete never ends an update: its current revision stays the first one.
  const current =
    before === undefined || (rolling && updated === (set.spec.replicas ?? 1)) ? revision : before;
  return {
    observedGeneration: set.metadata.generation ?? 1,
    replicas: live.length,
    readyReplicas: ready,
    availableReplicas: ready,
    currentReplicas: live.filter((pod) => revisionOf(pod) === current).length,
    updatedReplicas: updated,
    currentRevision: current,
    updateRevision: revision,
    collisionCount: 0,
  };
}

function revisionOf(pod: Pod): string | undefined {
  return pod.metadata.labels?.[REVISION_LABEL];
}

function ordinalOf(set: StatefulSet, pod: Pod): number {
  const suffix = pod.metadata.name.slice(set.metadata.name.length + 1);
  return /^\d+$/.test(suffix) ? Number(suffix) : Number.MAX_SAFE_INTEGER;
}

function ownerOf(set: StatefulSet): OwnerReference {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    name: set.metadata.name,
    uid: set.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

function namespaceOf(set: StatefulSet): { readonly namespace?: string } {
  return set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace };
}

function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  const owned = set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === "Delete";
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: `${metadata.name}-${set.metadata.name}-${String(ordinal)}`,
      ...namespaceOf(set),
      labels: { ...set.spec.selector.matchLabels, ...metadata.labels },
      ...(metadata.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ...(owned ? { ownerReferences: [ownerOf(set)] } : {}),
    },
    spec,
  }));
}

function podOf(set: StatefulSet, ordinal: number, revision: string): Pod {
  const { metadata, spec } = set.spec.template;
  const name = `${set.metadata.name}-${String(ordinal)}`;
  const templates = set.spec.volumeClaimTemplates ?? [];
  const claimed: Volume[] = templates.map((template) => ({
    name: template.metadata.name,
    persistentVolumeClaim: { claimName: `${template.metadata.name}-${name}` },
  }));
  const others = (spec.volumes ?? []).filter(
    (volume) => !claimed.some((each) => each.name === volume.name),
  );
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      ...namespaceOf(set),
      labels: {
        ...metadata?.labels,
        [REVISION_LABEL]: revision,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(ordinal),
      },
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ownerReferences: [ownerOf(set)],
    },
    spec: {
      ...spec,
      hostname: name,
      ...(set.spec.serviceName === undefined ? {} : { subdomain: set.spec.serviceName }),
      volumes: [...claimed, ...others],
    },
  };
}
