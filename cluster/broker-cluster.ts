import type { Condition, KubeObject } from "../kube/objects.ts";
import type { ListenerSpec, ListenerStatus } from "./listeners.ts";

/** A cluster of brokers: what the user wishes, and what the operator found. */
export interface BrokerCluster extends KubeObject {
  readonly spec: {
    readonly brokers: number;
    readonly image?: string;
    readonly storage?: {
      /** A Kubernetes quantity. */
      readonly size?: string;
      readonly storageClassName?: string;
      readonly deletionPolicy?: "retain" | "delete";
    };
    readonly resources?: unknown;
    /** Where clients connect; `plaintext` on 9092, within the Kubernetes cluster, is there unless it is listed. */
    readonly listeners?: readonly ListenerSpec[];
    /** Node label that names the rack. */
    readonly rackKey?: string;
    /** Kafka broker configs by Kafka's names, values as strings. */
    readonly config?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly bootstrap?: string;
    /** Of the listeners that are reached from outside: what brokers tell the clients that come in by them. */
    readonly listeners?: readonly ListenerStatus[];
    readonly brokers?: number;
    readonly readyBrokers?: number;
    readonly selector?: string;
    /** `spec.brokers` at the time when the replicas were last spread evenly over all brokers. */
    readonly balancedBrokers?: number;
  };
}
