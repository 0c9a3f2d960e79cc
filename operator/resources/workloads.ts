import type { Resource } from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";

/** The children of a BrokerCluster: written whole, of others' fields only what is read here. */

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface Workload extends KubeObject {
  readonly spec?: unknown;
}

export interface ServiceObject extends KubeObject {
  readonly spec?: {
    readonly ports?: readonly { readonly port: number; readonly nodePort?: number }[];
  };
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[];
    };
  };
}

export interface NodeAddress {
  /** InternalIP, ExternalIP, …; others may come. */
  readonly type: string;
  readonly address: string;
}

export interface NodeObject extends KubeObject {
  readonly status?: { readonly addresses?: readonly NodeAddress[] };
}

export interface StatefulSet extends KubeObject {
  readonly spec: { readonly replicas?: number } & Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updateRevision?: string;
  };
}

export interface PodObject extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    /** An InternalIP of its node. */
    readonly hostIP?: string;
    readonly phase?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly state?: ContainerState;
      readonly lastState?: ContainerState;
    }[];
  };
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

export interface VolumeClaim extends KubeObject {
  readonly spec: {
    readonly storageClassName?: string;
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
  readonly status?: { readonly capacity?: { readonly storage?: string } };
}

/** A core/v1 Event: what `kubectl describe` shows. Times are RFC 3339 with whole seconds. */
export interface EventObject extends KubeObject {
  readonly involvedObject: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
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
export const services = core<ServiceObject>("services", "Service");
export const nodes = core<NodeObject>("nodes", "Node");
export const serviceAccounts = core("serviceaccounts", "ServiceAccount");
export const podObjects = core<PodObject>("pods", "Pod");
export const volumeClaims = core<VolumeClaim>("persistentvolumeclaims", "PersistentVolumeClaim");
export const events = core<EventObject>("events", "Event");
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

/** Label of a pod: the revision of the template it was made from. */
export const REVISION_LABEL = "controller-revision-hash";

/** The pod is ready, and not going away. */
export function isReadyPod({ metadata, status }: PodObject): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    (status?.conditions ?? []).some((one) => one.type === "Ready" && one.status === "True")
  );
}
