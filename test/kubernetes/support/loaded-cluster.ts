import { topics } from "../../../cluster/resources.ts";
import { Operations } from "../../support/operations.ts";
import { makeNamespaces, type TestKubernetes } from "./cluster.ts";
import { Load } from "./load.ts";

export interface LoadedClusterOptions {
  readonly namespace: string;
  /** Where the operator's release is. */
  readonly operatorNamespace: string;
  readonly cluster: string;
  readonly brokers: number;
  readonly partitions: number;
  readonly recordsPerSecond: number;
  /** What brokers and operator ask for each, where they must not starve: 50m and the chart's own otherwise. */
  readonly cpu?: string;
  /** Of the brokers' volumes; the default one otherwise. */
  readonly storageClassName?: string;
}

/** An operator by Helm, a cluster with the topic `orders`, and a publisher of it. */
export interface LoadedCluster {
  readonly load: Load;
  readonly operations: Operations;
  /** What Helm was told. */
  readonly values: readonly string[];
}

export async function startLoadedCluster(
  kubernetes: TestKubernetes,
  options: LoadedClusterOptions,
): Promise<LoadedCluster> {
  const { kube, kubectl, kubectlWith, helm, image } = kubernetes;
  const { namespace, operatorNamespace, cluster, brokers, partitions, recordsPerSecond } = options;
  await makeNamespaces(kubernetes, operatorNamespace, namespace);
  const values = [
    `image.repository=${image.repository}`,
    `image.tag=${image.tag}`,
    `watchNamespace=${namespace}`,
    ...(options.cpu === undefined ? [] : [`resources.requests.cpu=${options.cpu}`]),
  ].flatMap((value) => ["--set", value]);
  await helm(
    ...["install", "forebay", "charts/forebay", "--namespace", operatorNamespace, ...values],
    ...["--wait", "--timeout", "90s"],
  );
  const wish = {
    apiVersion: "forebay.dev/v1alpha1",
    kind: "BrokerCluster",
    metadata: { name: cluster, namespace },
    spec: {
      brokers,
      storage: {
        size: "1Gi",
        ...(options.storageClassName === undefined
          ? {}
          : { storageClassName: options.storageClassName }),
      },
      rackKey: "topology.kubernetes.io/zone",
      resources: { requests: { cpu: options.cpu ?? "50m", memory: "128Mi" } },
    },
  };
  await kubectlWith(JSON.stringify(wish), "apply", "-f", "-");
  await kube.create(topics, namespace, {
    apiVersion: "forebay.dev/v1alpha1",
    kind: "Topic",
    metadata: { name: "orders" },
    spec: { cluster, partitions },
  });
  await kubectl(
    ...["-n", namespace, "wait", "--for=condition=Ready", `bc/${cluster}`, "ftopic/orders"],
    "--timeout=120s",
  );
  const load = await Load.start(kubernetes, {
    namespace,
    bootstrap: `${cluster}-bootstrap.${namespace}.svc:9092`,
    topic: "orders",
    partitions,
    recordsPerSecond,
  });
  const operations = new Operations({
    kube,
    namespace,
    cluster,
    gap: async () => (await load.gap()).gapMs,
    limitMs: 90_000,
  });
  await operations.settled();
  return { load, operations, values };
}

/** Removes all of it; what was never made is no failure. */
export async function endLoadedCluster(
  { kubectl, helm }: TestKubernetes,
  { namespace, operatorNamespace }: LoadedClusterOptions,
): Promise<void> {
  await kubectl("delete", "namespace", namespace, "--ignore-not-found");
  await helm("uninstall", "forebay", "--namespace", operatorNamespace, "--ignore-not-found");
  await kubectl("delete", "namespace", operatorNamespace, "--ignore-not-found");
}
