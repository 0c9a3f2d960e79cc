import { GROUP } from "../../cluster/resources.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { accountName, childMeta, type ClusterContext } from "./context.ts";
import { type Child, roleBindings, roles, serviceAccounts } from "./workloads.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const READ = ["get", "list", "watch"];

/** The narrowest Role that lets brokers register, elect and keep topics. */
export function brokerRules(clusterName: string): readonly Rule[] {
  return [
    { apiGroups: [GROUP], resources: ["brokerclusters"], verbs: READ },
    {
      apiGroups: [GROUP],
      resources: ["topics"],
      verbs: [...READ, "create", "patch", "update", "delete"],
    },
    {
      apiGroups: [GROUP],
      resources: ["clientquotas"],
      verbs: [...READ, "create", "update", "delete"],
    },
    { apiGroups: [GROUP], resources: ["partitionslices", "leadershipshards"], verbs: READ },
    { apiGroups: [GROUP], resources: ["leadershipshards/status"], verbs: ["get", "patch"] },
    { apiGroups: [GROUP], resources: ["brokers"], verbs: [...READ, "create", "patch", "update"] },
    { apiGroups: [GROUP], resources: ["brokers/status"], verbs: ["get", "patch", "update"] },
    // Lists and creations cannot be confined to a name.
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      verbs: [...READ, "create"],
    },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      verbs: ["patch", "update"],
      resourceNames: [`${clusterName}-controller`],
    },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["create"] },
    {
      apiGroups: [""],
      resources: ["configmaps"],
      verbs: ["get", "update"],
      resourceNames: [`${clusterName}-producer-ids`],
    },
    { apiGroups: [""], resources: ["pods"], verbs: READ },
  ];
}

/** ServiceAccount, Role and RoleBinding of the broker pods, in this order. */
export function rbac(context: ClusterContext): readonly Child[] {
  const name = accountName(context);
  const { metadata } = context.cluster;
  const account: KubeObject = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: childMeta(context, name),
  };
  const role: KubeObject & { readonly rules: readonly Rule[] } = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: childMeta(context, name),
    rules: brokerRules(metadata.name),
  };
  const binding: KubeObject & { readonly roleRef: unknown; readonly subjects: unknown } = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: childMeta(context, name),
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: metadata.namespace ?? "default" }],
  };
  return [
    { resource: serviceAccounts, object: account },
    { resource: roles, object: role },
    { resource: roleBindings, object: binding },
  ];
}
