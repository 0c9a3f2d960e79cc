import { API_VERSION, brokerClusters } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import type { OwnerReference } from "../../kube/objects.ts";

/**
 * The owner of what brokers make for their cluster: it goes when the cluster goes.
 * @throws NotFoundError when the cluster is gone already: nothing may be made for it any more, nobody would remove it
 */
export async function clusterOwner(
  kube: KubeApi,
  namespace: string,
  clusterName: string,
): Promise<OwnerReference> {
  const { metadata } = await kube.get(brokerClusters, namespace, clusterName);
  return {
    apiVersion: API_VERSION,
    kind: brokerClusters.kind,
    name: clusterName,
    uid: metadata.uid ?? "",
    controller: true,
  };
}
