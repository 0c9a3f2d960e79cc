import type { PersistentVolumeClaim, Pod } from "../workloads.ts";

/** Keeps a claim until no pod uses it any more (Kubernetes concept "Storage Object in Use Protection"). */
export const CLAIM_PROTECTION = "kubernetes.io/pvc-protection";

/** The claim as it should be: its finalizers and its status. */
export interface ClaimPlan {
  readonly finalizers: readonly string[];
  readonly status: NonNullable<PersistentVolumeClaim["status"]>;
}

/**
 * Binds a claim, grants it the size it asks for (a folder has none) and protects it (pure).
 * @param pods those of the claim's namespace
 */
export function planClaim(claim: PersistentVolumeClaim, pods: readonly Pod[]): ClaimPlan {
  const others = (claim.metadata.finalizers ?? []).filter((each) => each !== CLAIM_PROTECTION);
  const inUse = pods.some((pod) => usesClaim(pod, claim.metadata.name));
  const protect = claim.metadata.deletionTimestamp === undefined || inUse;
  const asked = claim.spec.resources?.requests?.storage;
  return {
    finalizers: protect ? [...others, CLAIM_PROTECTION] : others,
    status: {
      phase: "Bound",
      accessModes: claim.spec.accessModes ?? ["ReadWriteOnce"],
      ...(asked === undefined ? {} : { capacity: { storage: asked } }),
    },
  };
}

export function usesClaim(pod: Pod, claimName: string): boolean {
  return (pod.spec.volumes ?? []).some(
    ({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claimName,
  );
}
