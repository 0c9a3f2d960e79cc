import type { Resource } from "../../kube/api.ts";
import type { KubeObject, OwnerReference } from "../../kube/objects.ts";

/** The children of a BrokerCluster: written whole, of others' fields only what is read here. */

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface Workload extends KubeObject {
  readonly spec?: unknown;
}

export interface StatefulSet extends KubeObject {
  readonly spec: { readonly replicas?: number } & Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updateRevision?: string;
  };
}

export interface PodObject extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

const core = <T extends KubeObject>(plural: string, kind: string): Resource<T> => ({
  group: "",
  version: "v1",
  plural,
  kind,
});
const grouped = <T extends KubeObject>(
  group: string,
  plural: string,
  kind: string,
): Resource<T> => ({ group, version: "v1", plural, kind });

export const configMaps = core<ConfigMap>("configmaps", "ConfigMap");
export const services = core<Workload>("services", "Service");
export const serviceAccounts = core("serviceaccounts", "ServiceAccount");
export const podObjects = core<PodObject>("pods", "Pod");
export const statefulSets = grouped<StatefulSet>("apps", "statefulsets", "StatefulSet");
export const podDisruptionBudgets = grouped<Workload>(
  "policy",
  "poddisruptionbudgets",
  "PodDisruptionBudget",
);
export const networkPolicies = grouped<Workload>(
  "networking.k8s.io",
  "networkpolicies",
  "NetworkPolicy",
);
const RBAC = "rbac.authorization.k8s.io";
export const roles = grouped(RBAC, "roles", "Role");
export const roleBindings = grouped(RBAC, "rolebindings", "RoleBinding");

/** A child as it should be. */
export interface Child {
  readonly resource: Resource;
  readonly object: KubeObject;
}

export type { OwnerReference };
