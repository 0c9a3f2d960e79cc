import { createTcpNetwork } from "../../broker/network/tcp-network.ts";
import { brokerClusters, leases, topics } from "../../cluster/resources.ts";
import type { createKubeClient } from "../../kube/client.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { KafkaClient } from "../../test/support/kafka-client.ts";
import { isInSync, recordedSlices } from "../../test/support/recorded-slices.ts";
import { eventually, type LocalCluster } from "../../test/support/local-cluster.ts";

export type Kube = ReturnType<typeof createKubeClient>;

const NAMESPACE = "default";

/** A Kafka client of a `forebay local`. */
export function clientOf(cluster: LocalCluster, requestTimeoutMs = 500): KafkaClient {
  return new KafkaClient({
    network: createTcpNetwork({ logger: silentLogger }),
    scheduler: realScheduler,
    clientId: "steady",
    bootstrap: cluster.bootstrap.split(",").map((address) => {
      const [host = "", port = ""] = address.split(":");
      return { host, port: Number(port) };
    }),
    requestTimeoutMs,
  });
}

/** Makes a topic and waits until it is ready. */
export async function createTopic(
  kube: Kube,
  name: string,
  partitions: number,
  config?: Readonly<Record<string, string>>,
): Promise<void> {
  await kube.create(topics, NAMESPACE, {
    apiVersion: "forebay.dev/v1alpha1",
    kind: "Topic",
    metadata: { name },
    spec: { cluster: "local", partitions, ...(config === undefined ? {} : { config }) },
  });
  await whole(kube);
}

/** Waits until all brokers are ready, and every partition has all of its replicas in sync. */
export async function whole(kube: Kube, limitMs = 60_000): Promise<void> {
  await eventually(
    async () => {
      const { spec, status } = await kube.get(brokerClusters, NAMESPACE, "local");
      if (status?.readyBrokers !== spec.brokers) return undefined;
      const slices = await recordedSlices(kube, NAMESPACE);
      return slices.every(isInSync) && slices.length > 0 ? true : undefined;
    },
    "all replicas in sync",
    limitMs,
  );
}

/** The broker that leads a partition. */
export async function leaderOf(kube: Kube, topic: string, partition = 0): Promise<number> {
  const slices = await recordedSlices(kube, NAMESPACE);
  const slice = slices.find(({ metadata }) => metadata.name === `${topic}-000`);
  return slice?.states[partition]?.leader ?? -1;
}

/** The broker that holds the controller's Lease. */
export async function controllerOf(kube: Kube): Promise<number> {
  const lease = await kube.get(leases, NAMESPACE, "local-controller");
  return Number((lease.spec?.holderIdentity ?? "").split(":")[0]);
}

/** The process of a broker; waits for one that is being started again. */
export function processOf(cluster: LocalCluster, id: number): Promise<number> {
  return eventually(async () => (await cluster.processes()).get(id), `a process of broker ${id}`);
}
