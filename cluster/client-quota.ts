import { createHash } from "node:crypto";
import type { Condition, KubeObject } from "../kube/objects.ts";

/** In place of a name: whoever has no quota of its own (Kafka's default entity). */
export const DEFAULT_ENTITY = "<default>";

/** Whom a quota is for: a user, a client id, both together, or an address; each a name or DEFAULT_ENTITY. */
export interface QuotaEntity {
  readonly user?: string;
  readonly clientId?: string;
  readonly ip?: string;
}

/** What it may use; without a number as much as it likes. Each broker counts by itself (KIP-13, KIP-124, KIP-612). */
export interface QuotaLimits {
  /** Bytes a second that it may produce to one broker. */
  readonly producerByteRate?: number;
  /** Bytes a second that it may fetch from one broker. */
  readonly consumerByteRate?: number;
  /** Share of a broker's event loop, in percent. */
  readonly requestPercentage?: number;
  /** Connections a second that an address may open to one broker. */
  readonly connectionCreationRate?: number;
}

/** Quotas of one entity. Of several objects for the same entity the oldest counts. */
export interface ClientQuota extends KubeObject {
  readonly spec: {
    /** Name of the BrokerCluster object in the same namespace. */
    readonly cluster: string;
    readonly entity: QuotaEntity;
    readonly limits?: QuotaLimits;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** The order in which quotas of one entity count: the first one alone does. */
export function byAge({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const first = a.creationTimestamp ?? "";
  const second = b.creationTimestamp ?? "";
  if (first !== second) return first < second ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** One text for each entity. */
export function entityKey({ user, clientId, ip }: QuotaEntity): string {
  return JSON.stringify([user ?? null, clientId ?? null, ip ?? null]);
}

/** Name of the ClientQuota that brokers make for an entity. */
export function clientQuotaName(cluster: string, entity: QuotaEntity): string {
  const hash = createHash("sha256").update(entityKey(entity)).digest("hex").slice(0, 16);
  return `${cluster}-quota-${hash}`;
}
