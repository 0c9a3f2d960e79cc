import type { Condition, KubeObject } from "../kube/objects.ts";

/** A client of a cluster: as yet stored and checked by the API server only, so no more of it is read here. */
export interface User extends KubeObject {
  readonly spec: {
    /** Name of the BrokerCluster object in the same namespace. */
    readonly cluster: string;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}
