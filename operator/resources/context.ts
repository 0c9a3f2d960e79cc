import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerClusterShape } from "../../cluster/broker-cluster-shape.ts";
import { HTTP_PORT, INTERNAL_PORT } from "../../cluster/listeners.ts";
import { API_VERSION, CLUSTER_LABEL } from "../../cluster/resources.ts";
import type { ObjectMeta } from "../../kube/objects.ts";

/** What the children of one BrokerCluster are made from. */
export interface ClusterContext {
  readonly cluster: BrokerCluster;
  readonly shape: BrokerClusterShape;
  /** Replicas of the StatefulSet: more than `spec.brokers` while brokers that are to go still hold partitions. */
  readonly replicas: number;
  /** Of brokers whose cluster names no image. */
  readonly defaultImage: string;
}

/** Ports of a broker by name: for clients, between brokers, for probes, metrics and the admin API. */
export function ports({ shape }: ClusterContext): Readonly<Record<string, number>> {
  return { plaintext: shape.port, internal: INTERNAL_PORT, http: HTTP_PORT };
}

/** Labels by which the broker pods of a cluster are selected; they never change. */
export function selectorLabels({ cluster }: ClusterContext): Record<string, string> {
  return { [CLUSTER_LABEL]: cluster.metadata.name, "app.kubernetes.io/name": "forebay" };
}

export function labels(context: ClusterContext): Record<string, string> {
  return {
    ...selectorLabels(context),
    "app.kubernetes.io/instance": context.cluster.metadata.name,
    "app.kubernetes.io/component": "broker",
    "app.kubernetes.io/managed-by": "forebay-operator",
  };
}

/** Metadata of a child: it goes when the cluster goes. */
export function childMeta(context: ClusterContext, name: string): ObjectMeta {
  const { metadata } = context.cluster;
  return {
    name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    labels: labels(context),
    ownerReferences: [
      {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        name: metadata.name,
        uid: metadata.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}

export function headlessName({ cluster }: ClusterContext): string {
  return `${cluster.metadata.name}-brokers`;
}

export function bootstrapName({ cluster }: ClusterContext): string {
  return `${cluster.metadata.name}-bootstrap`;
}

/** Where clients connect first, within the Kubernetes cluster. */
export function bootstrapAddress({ metadata }: BrokerCluster, port: number): string {
  return `${metadata.name}-bootstrap.${metadata.namespace ?? "default"}.svc:${port}`;
}

export function configName({ cluster }: ClusterContext): string {
  return `${cluster.metadata.name}-config`;
}

export function accountName({ cluster }: ClusterContext): string {
  return `${cluster.metadata.name}-broker`;
}
