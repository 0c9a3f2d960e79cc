import type { Condition, KubeObject } from "../kube/objects.ts";

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
    /** Client listener inside the cluster; 9092 unless set. */
    readonly listeners?: readonly {
      readonly name: string;
      readonly port: number;
      readonly type?: string;
    }[];
    /** Node label that names the rack. */
    readonly rackKey?: string;
    /** Kafka broker configs by Kafka's names, values as strings. */
    readonly config?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly bootstrap?: string;
    readonly brokers?: number;
    readonly readyBrokers?: number;
    readonly selector?: string;
    /** `spec.brokers` at the time when the replicas were last spread evenly over all brokers. */
    readonly balancedBrokers?: number;
  };
}
