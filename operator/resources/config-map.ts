import { childMeta, configName, type ClusterContext } from "./context.ts";
import { type Child, type ConfigMap, configMaps } from "./workloads.ts";

export const CONFIG_FILE = "broker.properties";

/**
 * `broker.properties` with the cluster's Kafka configs, in the order of their names. What is not set has the brokers'
 * own default.
 */
export function configMap(context: ClusterContext): Child {
  const object: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: childMeta(context, configName(context)),
    data: { [CONFIG_FILE]: brokerProperties(context) },
  };
  return { resource: configMaps, object };
}

/** Brokers read values as they stand: there are no escapes, and the shape has no value of more than one line. */
export function brokerProperties({ shape }: ClusterContext): string {
  return [...shape.config].map(([name, value]) => `${name}=${value}\n`).join("");
}
