import type { KubeApi, Resource } from "../kube/api.ts";
import type { Informer } from "../kube/informer.ts";
import type { KubeObject } from "../kube/objects.ts";
import { isOlderVersion } from "../kube/resource-version.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { SECOND, type Millis } from "../lib/units.ts";

/** A watch that brings nothing at all for so long after a write that it should show is dead. */
const SEEN_WITHIN: Millis = 10 * SECOND;

export interface OwnWritesOptions {
  readonly kube: KubeApi;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

/** What is looked at of a cache. */
export type WatchedCache = Pick<Informer<KubeObject>, "newest" | "lastHeard" | "relist">;

/**
 * Looks whether watches show what this process writes. One that stalls without an end is silent for minutes before its
 * missing bookmarks tell; until then the operator would wait for what it has done itself.
 */
export class OwnWrites {
  readonly api: KubeApi;
  readonly #options: OwnWritesOptions;
  readonly #caches: ReadonlyMap<string, WatchedCache>;
  /** Kinds of which something is to be seen yet. */
  readonly #awaited = new Set<string>();
  #stopped = false;

  /** @param caches by plural name of their kind */
  constructor(options: OwnWritesOptions, caches: ReadonlyMap<string, WatchedCache>) {
    const { kube } = options;
    this.#options = options;
    this.#caches = caches;
    this.api = {
      get: (...args) => kube.get(...args),
      list: (...args) => kube.list(...args),
      watch: (...args) => kube.watch(...args),
      delete: (...args) => kube.delete(...args),
      create: (resource, ...args) => this.#noting(resource, kube.create(resource, ...args)),
      replace: (resource, ...args) => this.#noting(resource, kube.replace(resource, ...args)),
      jsonPatch: (resource, ...args) => this.#noting(resource, kube.jsonPatch(resource, ...args)),
      apply: (resource, ...args) => this.#noting(resource, kube.apply(resource, ...args)),
    };
  }

  stop(): void {
    this.#stopped = true;
  }

  async #noting<T extends KubeObject>(resource: Resource<T>, write: Promise<T>): Promise<T> {
    const written = await write;
    this.#await(resource.plural, written.metadata.resourceVersion);
    return written;
  }

  #await(plural: string, version: string | undefined): void {
    const cache = this.#caches.get(plural);
    if (cache === undefined || this.#awaited.has(plural)) return;
    if (!isOlderVersion(cache.newest, version)) return;
    this.#awaited.add(plural);
    const { scheduler, logger } = this.#options;
    const since = scheduler.now();
    scheduler.after(SEEN_WITHIN, () => {
      this.#awaited.delete(plural);
      if (this.#stopped || !isOlderVersion(cache.newest, version)) return;
      if ((cache.lastHeard ?? -Infinity) <= since) {
        logger.warn("a watch does not show what was written: listing again", { resource: plural });
        cache.relist();
      }
      // One that is only late is looked at again, as is one that was listed.
      this.#await(plural, version);
    });
  }
}
