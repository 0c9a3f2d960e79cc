import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { ForbiddenError, InvalidError, NotFoundError } from "../../kube/errors.ts";
import type { OperatorOptions } from "../operator.ts";
import { planVolumeGrowth, type VolumeGrowth } from "../plan/volume-growth.ts";
import { DATA_VOLUME } from "../resources/stateful-set.ts";
import { volumeClaims, type StatefulSet, type VolumeClaim } from "../resources/workloads.ts";
import { ChildCache } from "./child-cache.ts";

/** Grows the volumes of brokers to the size of the spec. */
export class VolumeGrower {
  readonly #options: OperatorOptions;
  readonly #claims: ChildCache<VolumeClaim>;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#claims = new ChildCache(options, volumeClaims);
  }

  get synced(): Promise<void> {
    return this.#claims.synced;
  }

  start(onChange: (key: string) => void): void {
    this.#claims.start(onChange);
  }

  stop(): void {
    this.#claims.stop();
  }

  plan({ metadata }: BrokerCluster, set: StatefulSet, size: string): VolumeGrowth {
    const namespace = metadata.namespace ?? "default";
    const claims = Array.from({ length: set.spec.replicas ?? 1 }, (_, id) =>
      this.#claims.find(namespace, `${DATA_VOLUME}-${set.metadata.name}-${id}`),
    ).filter((claim) => claim !== undefined);
    return planVolumeGrowth(claims, size);
  }

  /** @returns why a claim may not grow, if one may not */
  async grow(
    { metadata }: BrokerCluster,
    { grow }: VolumeGrowth,
    size: string,
  ): Promise<string | undefined> {
    const { kube, logger } = this.#options;
    const namespace = metadata.namespace ?? "default";
    for (const { name, uid, from } of grow) {
      try {
        const path = "/spec/resources/requests/storage";
        await kube.jsonPatch(volumeClaims, namespace, name, [
          { op: "test", path: "/metadata/uid", value: uid },
          { op: "replace", path, value: size },
        ]);
        logger.info("volume grows", { claim: name, from, to: size });
      } catch (error) {
        if (error instanceof NotFoundError) continue;
        if (!(error instanceof ForbiddenError) && !(error instanceof InvalidError)) throw error;
        return `volume claim ${name} cannot grow from ${from} to ${size}; its StorageClass must allow volume expansion, else set spec.storage.size back: ${error.message}`;
      }
    }
    return undefined;
  }
}
