import { CLUSTER_LABEL } from "../../../cluster/resources.ts";
import type { KubeApi, Resource } from "../../../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../../kube/errors.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import type { Scheduler } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/logger.ts";
import type { Millis } from "../../../lib/units.ts";
import { ProtocolError } from "../../errors.ts";
import { clusterOwner } from "../../metadata/cluster-owner.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const configMaps: Resource<ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
};

/** Ids a broker takes at once; what it has not used when it stops is lost, which is allowed. */
export const PRODUCER_ID_BLOCK = 1_000;
/** With this many left the next block is fetched ahead, so that an API outage is not felt at once. */
const PREFETCH_AT = 500;
const RETRY_MS: Millis = 1_000;
const MAX_ATTEMPTS = 20;
const NEXT = "nextProducerId";

export interface ProducerIdsOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

/**
 * Producer ids, unique in the cluster for ever. Blocks are taken from the ConfigMap `<cluster>-producer-ids` by
 * compare-and-swap on its resourceVersion. After a write with an unknown outcome the block is given up and the next one
 * is taken. The object has no owner: volumes may outlive the BrokerCluster, and their logs know the ids.
 */
export class ProducerIds {
  readonly #options: ProducerIdsOptions;
  /** Ranges not yet used, [next, end). */
  #ranges: { next: number; readonly end: number }[] = [];
  #fetching: Promise<void> | undefined;
  /** No attempt of our own accord before this. */
  #notBefore: Millis = -Infinity;

  constructor(options: ProducerIdsOptions) {
    this.#options = options;
  }

  /** A fresh id. Throws ProtocolError COORDINATOR_NOT_AVAILABLE when none is left and the API cannot be reached. */
  async next(): Promise<number> {
    if (this.#left() === 0) await this.#fetch();
    const range = this.#ranges[0];
    // Many may have waited for the same block.
    if (range === undefined) return this.next();
    const id = range.next;
    range.next += 1;
    if (range.next === range.end) this.#ranges.shift();
    this.#prefetch();
    return id;
  }

  #left(): number {
    return this.#ranges.reduce((sum, range) => sum + range.end - range.next, 0);
  }

  #prefetch(): void {
    const { scheduler, logger } = this.#options;
    if (this.#left() > PREFETCH_AT || this.#fetching !== undefined) return;
    if (scheduler.now() < this.#notBefore) return;
    void this.#fetch().catch((error: unknown) => {
      this.#notBefore = scheduler.now() + RETRY_MS;
      logger.warn("no block of producer ids ahead", { left: this.#left(), error });
    });
  }

  #fetch(): Promise<void> {
    this.#fetching ??= this.#take().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #take(): Promise<void> {
    const { kube, namespace, clusterName, scheduler, logger } = this.#options;
    const name = `${clusterName}-producer-ids`;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        const found = await kube.get(configMaps, namespace, name);
        const first = parseNext(found.data?.[NEXT]);
        await kube.replace(configMaps, namespace, {
          ...found,
          data: { ...found.data, [NEXT]: String(first + PRODUCER_ID_BLOCK) },
        });
        this.#ranges.push({ next: first, end: first + PRODUCER_ID_BLOCK });
        return;
      } catch (error) {
        if (error instanceof ConflictError) continue;
        if (!(error instanceof NotFoundError)) throw unavailable(error, logger);
      }
      // Begins at the wall clock: should somebody delete the object, ids given before do not come back as long as
      // fewer than one a millisecond were used.
      const first = Math.floor(scheduler.wallNow() / PRODUCER_ID_BLOCK) * PRODUCER_ID_BLOCK;
      try {
        const owner = await clusterOwner(kube, namespace, clusterName);
        await kube.create(configMaps, namespace, {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: {
            name,
            namespace,
            labels: { [CLUSTER_LABEL]: clusterName },
            ownerReferences: [owner],
          },
          data: { [NEXT]: String(first + PRODUCER_ID_BLOCK) },
        });
        this.#ranges.push({ next: first, end: first + PRODUCER_ID_BLOCK });
        return;
      } catch (error) {
        if (error instanceof AlreadyExistsError || error instanceof ConflictError) continue;
        throw unavailable(error, logger);
      }
    }
    throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE, "producer ids are contended");
  }
}

/** The recorded number; a missing or damaged one must not lead to ids that were given before. */
function parseNext(text: string | undefined): number {
  const value = text === undefined ? NaN : Number(text);
  if (
    !Number.isSafeInteger(value) ||
    value < 0 ||
    value > Number.MAX_SAFE_INTEGER - PRODUCER_ID_BLOCK
  ) {
    throw new ProtocolError(
      ErrorCode.COORDINATOR_NOT_AVAILABLE,
      `${NEXT} is not a number: ${String(text)}`,
    );
  }
  return value;
}

function unavailable(error: unknown, logger: Logger): ProtocolError {
  if (error instanceof ProtocolError) return error;
  logger.warn("no block of producer ids", { error });
  return new ProtocolError(
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    "the Kubernetes API gives no producer ids",
  );
}
