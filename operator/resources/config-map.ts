import { childMeta, configName, type ClusterContext } from "./context.ts";
import { type Child, type ConfigMap, configMaps } from "./workloads.ts";

export const CONFIG_FILE = "broker.properties";

/** `broker.properties` with the cluster's Kafka configs, in the order of their names. */
export function configMap(context: ClusterContext): Child {
  const object: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: childMeta(context, configName(context)),
    data: { [CONFIG_FILE]: brokerProperties(context) },
  };
  return { resource: configMaps, object };
}

export function brokerProperties({ cluster }: ClusterContext): string {
  return Object.entries(cluster.spec.config ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${escaped(value)}\n`)
    .join("");
}

/** A value of a properties file is one line. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}
