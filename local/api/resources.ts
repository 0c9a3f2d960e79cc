/** What the API needs to know of one kind of object. */
export interface ResourceInfo {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Writes of the object leave `status` alone, and writes of `/status` all else. */
  readonly status: boolean;
  readonly scale?: ScalePaths;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Whether it came from a CustomResourceDefinition. */
  readonly custom?: boolean;
}

/** JSON paths of the fields behind the scale subresource, as a CustomResourceDefinition gives them. */
export interface ScalePaths {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}

const WORKLOAD_SCALE: ScalePaths = {
  specReplicasPath: ".spec.replicas",
  statusReplicasPath: ".status.replicas",
};

type Row = readonly [
  group: string,
  plural: string,
  kind: string,
  flags: string,
  shortNames?: string,
];

/** Flags: n namespaced, s status, x scale, a category "all". */
const ROWS: readonly Row[] = [
  ["", "namespaces", "Namespace", "s", "ns"],
  ["", "nodes", "Node", "s", "no"],
  ["", "persistentvolumes", "PersistentVolume", "s", "pv"],
  ["", "pods", "Pod", "nsa", "po"],
  ["", "services", "Service", "nsa", "svc"],
  ["", "endpoints", "Endpoints", "n", "ep"],
  ["", "configmaps", "ConfigMap", "n", "cm"],
  ["", "secrets", "Secret", "n"],
  ["", "serviceaccounts", "ServiceAccount", "n", "sa"],
  ["", "events", "Event", "n", "ev"],
  ["", "persistentvolumeclaims", "PersistentVolumeClaim", "ns", "pvc"],
  ["events.k8s.io", "events", "Event", "n", "ev"],
  ["discovery.k8s.io", "endpointslices", "EndpointSlice", "n"],
  ["apps", "statefulsets", "StatefulSet", "nsxa", "sts"],
  ["apps", "deployments", "Deployment", "nsxa", "deploy"],
  ["policy", "poddisruptionbudgets", "PodDisruptionBudget", "ns", "pdb"],
  ["networking.k8s.io", "networkpolicies", "NetworkPolicy", "n", "netpol"],
  ["rbac.authorization.k8s.io", "roles", "Role", "n"],
  ["rbac.authorization.k8s.io", "rolebindings", "RoleBinding", "n"],
  ["rbac.authorization.k8s.io", "clusterroles", "ClusterRole", ""],
  ["rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", ""],
  ["coordination.k8s.io", "leases", "Lease", "n"],
  ["storage.k8s.io", "storageclasses", "StorageClass", "", "sc"],
  ["apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", "s", "crd"],
];

/** The kinds served without a CustomResourceDefinition, all at version v1. */
export const builtInResources: readonly ResourceInfo[] = ROWS.map(
  ([group, plural, kind, flags, shortNames]) => ({
    group,
    version: "v1",
    plural,
    singular: kind.toLowerCase(),
    kind,
    namespaced: flags.includes("n"),
    status: flags.includes("s"),
    ...(flags.includes("x") ? { scale: WORKLOAD_SCALE } : {}),
    ...(shortNames === undefined ? {} : { shortNames: [shortNames] }),
    ...(flags.includes("a") ? { categories: ["all"] } : {}),
  }),
);

export const NAMESPACES = { group: "", plural: "namespaces" } as const;
export const CUSTOM_RESOURCE_DEFINITIONS = {
  group: "apiextensions.k8s.io",
  plural: "customresourcedefinitions",
} as const;
