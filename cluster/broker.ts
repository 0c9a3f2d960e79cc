import type { Condition, KubeObject } from "../kube/objects.ts";
import type { Bytes } from "../lib/units.ts";

/** The broker's number: the ordinal of its pod. */
export type BrokerId = number;

export interface BrokerEndpoint {
  /** "internal" (between brokers), "plaintext" or a listener's name of the BrokerCluster. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL";
}

/** Whether it is where it was. */
export function isSameAddress(one: BrokerEndpoint, other: BrokerEndpoint | undefined): boolean {
  return one.host === other?.host && one.port === other.port;
}

/** Identity of a data volume: `id` is made when it is empty, `generation` grows with each start on it. */
export interface StorageIncarnation {
  readonly id: string;
  readonly generation: number;
}

/** Running: it may lead. Draining: it asked to have its leaderships moved. Fenced: it serves nobody. */
export type BrokerState = "running" | "fenced" | "draining";

/**
 * One broker's registration: written by the broker itself, but for `state` and what follows from it in `conditions`, which
 * the controller writes.
 * Named `<cluster>-<id>`; owned by the BrokerCluster.
 */
export interface BrokerObject extends KubeObject {
  readonly spec: { readonly cluster: string; readonly id: BrokerId };
  readonly status?: {
    readonly observedGeneration?: number;
    /** Bumped by compare-and-swap at each start: an older process with this id is thereby fenced. */
    readonly epoch: number;
    /** The storage whose content the recorded ISRs may count on; changed last in a start on a new volume. */
    readonly storage?: StorageIncarnation;
    readonly endpoints?: readonly BrokerEndpoint[];
    readonly rack?: string;
    readonly version?: string;
    readonly disk?: { readonly usedBytes: Bytes; readonly capacityBytes: Bytes };
    readonly state?: BrokerState;
    /** Ready, Reconciling and Stalled, as kstatus reads them. */
    readonly conditions?: readonly Condition[];
  };
}
