import {
  type ClientQuota,
  clientQuotaName,
  type QuotaEntity,
  type QuotaLimits,
} from "../../cluster/client-quota.ts";
import { API_VERSION, CLUSTER_LABEL, clientQuotas } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import {
  AlreadyExistsError,
  ConflictError,
  ForbiddenError,
  InvalidError,
  KubeError,
  NotFoundError,
  UnknownOutcomeError,
} from "../../kube/errors.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import { type Scheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { QuotaTable } from "./quota-table.ts";

const MAX_ATTEMPTS = 20;
const RETRY_MS = 20;
/** How long an answer waits for this broker to see what was written. */
const SEEN_WITHIN: Millis = 5000;

export interface QuotaAdminOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly table: QuotaTable;
}

/**
 * Keeps the table of quotas as the ClientQuota objects are, and writes what clients ask for into them: one object for an
 * entity, changed by compare-and-swap. A cluster that does not know the kind yet has no quotas; its brokers do not wait
 * for it.
 */
export class QuotaAdmin {
  readonly #options: QuotaAdminOptions;
  readonly #informer: Informer<ClientQuota>;

  constructor(options: QuotaAdminOptions) {
    this.#options = options;
    const { kube, namespace, clusterName, scheduler, random, logger, table } = options;
    this.#informer = createInformer<ClientQuota>({
      api: kube,
      resource: clientQuotas,
      namespace,
      scheduler,
      random,
      logger,
    });
    this.#informer.onChange(({ type, object }) => {
      if (object.spec.cluster !== clusterName) return;
      if (type === "DELETED") table.remove(object.metadata.uid ?? "");
      else table.absorb(object);
    });
  }

  start(): void {
    this.#informer.start();
  }

  stop(): void {
    this.#informer.stop();
  }

  /**
   * Changes the limits of an entity. Resolves once this broker sees it, or a while after.
   * @param decide the limits to be, from those that are; its ProtocolErrors are the caller's. May be asked several times.
   */
  async alter(entity: QuotaEntity, decide: (limits: QuotaLimits) => QuotaLimits): Promise<void> {
    const { scheduler, random } = this.#options;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(scheduler, RETRY_MS * (0.5 + random.next()));
      try {
        await this.#attempt(entity, decide);
        await this.#seen(entity, decide);
        return;
      } catch (error) {
        const lost =
          error instanceof ConflictError ||
          error instanceof AlreadyExistsError ||
          error instanceof NotFoundError ||
          error instanceof UnknownOutcomeError;
        // A kind that the API does not know is not found for ever: the attempts end.
        if (!lost) throw refusal(error);
      }
    }
    throw new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, "The quota could not be written.");
  }

  async #attempt(entity: QuotaEntity, decide: (limits: QuotaLimits) => QuotaLimits): Promise<void> {
    const { kube, namespace, clusterName, table } = this.#options;
    const name = table.object(entity)?.metadata.name ?? clientQuotaName(clusterName, entity);
    const present = await this.#read(name);
    const limits = decide(present?.spec.limits ?? {});
    const none = Object.keys(limits).length === 0;
    if (present === undefined) {
      if (none) return;
      await kube.create(clientQuotas, namespace, {
        apiVersion: API_VERSION,
        kind: "ClientQuota",
        metadata: { name, namespace, labels: { [CLUSTER_LABEL]: clusterName } },
        spec: { cluster: clusterName, entity, limits },
      });
    } else if (none) {
      const { uid, resourceVersion } = present.metadata;
      await kube.delete(clientQuotas, namespace, name, {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      });
    } else if (!sameLimits(present.spec.limits ?? {}, limits)) {
      await kube.replace(clientQuotas, namespace, {
        ...present,
        spec: { ...present.spec, limits },
      });
    }
  }

  async #read(name: string): Promise<ClientQuota | undefined> {
    try {
      return await this.#options.kube.get(clientQuotas, this.#options.namespace, name);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** Until what this broker sees needs no change any more; somebody else may have changed it again. */
  #seen(entity: QuotaEntity, decide: (limits: QuotaLimits) => QuotaLimits): Promise<void> {
    const { table, scheduler } = this.#options;
    const isSeen = (): boolean => {
      const limits = table.object(entity)?.spec.limits ?? {};
      return sameLimits(limits, decide(limits));
    };
    return new Promise((resolve) => {
      if (isSeen()) {
        resolve();
        return;
      }
      const stop = table.onChange(() => {
        if (!isSeen()) return;
        stop();
        timer.cancel();
        resolve();
      });
      const timer = scheduler.after(SEEN_WITHIN, () => {
        stop();
        resolve();
      });
    });
  }
}

function sameLimits(a: QuotaLimits, b: QuotaLimits): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof QuotaLimits>;
  return [...keys].every((key) => a[key] === b[key]);
}

function refusal(error: unknown): unknown {
  if (error instanceof InvalidError)
    return new ProtocolError(ErrorCode.INVALID_REQUEST, error.message);
  if (error instanceof ForbiddenError) {
    return new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, error.message);
  }
  if (error instanceof KubeError) {
    return new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, error.message);
  }
  return error;
}
