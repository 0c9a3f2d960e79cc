import type { Timer, Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Millis } from "../lib/units.ts";
import type { KubeApi, Resource, WatchHandle } from "./api.ts";
import { GoneError, KubeError } from "./errors.ts";
import type { KubeObject } from "./objects.ts";
import { WatchState } from "./watch-state.ts";
import type { Change, WatchStep } from "./watch-state.ts";

export type { Change } from "./watch-state.ts";

/** A cached view of the objects of one kind that follows the API by itself until it is stopped. */
export interface Informer<T> {
  start(): void;
  /** No listener is called after this returns. An informer is not started again. */
  stop(): void;
  /** Resolves when the first list is in `items`, after its changes were announced. Never rejects. */
  readonly synced: Promise<void>;
  /** By name, or by `namespace/name` when the informer has no namespace. Objects must not be changed. */
  items(): ReadonlyMap<string, T>;
  get(name: string): T | undefined;
  /**
   * When the API was last heard by this view: a list's answer, an event or bookmark of the watch, or its orderly end;
   * undefined before the first. On `scheduler.now()`. An idle watch is heard each minute (bookmarks), so a view is stale
   * when this is minutes ago.
   */
  readonly lastHeard: Millis | undefined;
  /** The resourceVersion up to which this view is complete; undefined before the first list. */
  readonly newest: string | undefined;
  /** The watch is known to have missed something, as one whose connection is dead at the other end: lists again. */
  relist(): void;
  /**
   * Listeners are called in order, after `items` holds the change, and must not throw. One that does is an error of
   * ours: it goes to `panic` where one was given; else it is logged, and the watch and the other listeners go on.
   */
  onChange(listener: (change: Change<T>) => void): void;
}

export interface InformerOptions<T extends KubeObject> {
  readonly api: KubeApi;
  readonly resource: Resource<T>;
  /** "" for all namespaces, or for kinds without one. */
  readonly namespace: string;
  readonly labelSelector?: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Given what a listener threw. A broker stops (its state may have broken an invariant); a level-based controller,
   * which looks at everything again anyway, leaves this out.
   */
  readonly panic?: (error: unknown) => void;
}

/** Between 240 and 300 s, so that the watches of many clients do not all end at once. */
const WATCH_TIMEOUT_SECONDS = 240;
const WATCH_TIMEOUT_SPREAD_SECONDS = 60;

/** Makes an informer; it does nothing until `start`. */
export function createInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  return new WatchInformer(options);
}

class WatchInformer<T extends KubeObject> implements Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #state: WatchState<T>;
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly synced: Promise<void>;
  #resolveSynced: () => void = () => undefined;
  #watch: WatchHandle | undefined;
  #timer: Timer | undefined;
  #lastHeard: Millis | undefined;
  #running = false;
  #started = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#state = new WatchState<T>(options.namespace !== "", options.random);
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#running = true;
    this.#do(this.#state.next());
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#watch?.close();
    this.#watch = undefined;
  }

  items(): ReadonlyMap<string, T> {
    return this.#state.items;
  }

  get(name: string): T | undefined {
    return this.#state.items.get(name);
  }

  get lastHeard(): Millis | undefined {
    return this.#lastHeard;
  }

  get newest(): string | undefined {
    return this.#state.newest;
  }

  relist(): void {
    // Without a watch it is at it already, or waits because the API fails.
    if (!this.#running || this.#watch === undefined) return;
    this.#watch.close();
    this.#watch = undefined;
    this.#do(this.#state.expired());
  }

  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  #do(step: WatchStep): void {
    switch (step.kind) {
      case "list":
        this.#list(step.attempt);
        return;
      case "watch":
        this.#startWatch(step.attempt, step.resourceVersion);
        return;
      case "wait":
        this.#timer = this.#options.scheduler.after(step.delay, () => {
          if (this.#counts(step.attempt)) this.#do(this.#state.next());
        });
        return;
    }
  }

  #list(attempt: number): void {
    const { api, resource, namespace, labelSelector } = this.#options;
    const answer = api.list(
      resource,
      namespace,
      labelSelector === undefined ? {} : { labelSelector },
    );
    void answer.then(
      (list) => {
        if (!this.#counts(attempt)) return;
        if (this.#state.refuses(list)) {
          this.#failed("list refused", new Error(`${list.resourceVersion} is older than known`));
          return;
        }
        this.#heard();
        for (const change of this.#state.listed(list)) this.#announce(change);
        this.#resolveSynced();
        if (this.#counts(attempt)) this.#do(this.#state.next());
      },
      (error: unknown) => {
        if (this.#counts(attempt)) this.#failed("list failed", error);
      },
    );
  }

  #startWatch(attempt: number, resourceVersion: string): void {
    const { api, resource, namespace, labelSelector, random } = this.#options;
    let ended = false;
    const watch = api.watch(
      resource,
      namespace,
      {
        ...(labelSelector === undefined ? {} : { labelSelector }),
        resourceVersion,
        timeoutSeconds: WATCH_TIMEOUT_SECONDS + random.below(WATCH_TIMEOUT_SPREAD_SECONDS),
      },
      {
        onEvent: (event) => {
          if (!this.#counts(attempt)) return;
          this.#heard();
          const change = this.#state.observed(event);
          if (change !== undefined) this.#announce(change);
        },
        onEnd: (error) => {
          ended = true;
          if (!this.#counts(attempt)) return;
          this.#watch = undefined;
          if (error === undefined) {
            this.#heard();
            this.#do(this.#state.ended());
          } else if (error instanceof GoneError) this.#do(this.#state.expired());
          else this.#failed("watch broke", error);
        },
      },
    );
    // It may have ended, or this informer may have been stopped by a listener, before the handle was there.
    if (ended) return;
    if (this.#counts(attempt)) this.#watch = watch;
    else watch.close();
  }

  #failed(message: string, error: unknown): void {
    const retryAfterSeconds = error instanceof KubeError ? error.retryAfterSeconds : undefined;
    const step = this.#state.failed((retryAfterSeconds ?? 0) * 1000);
    this.#options.logger.warn(message, {
      resource: this.#options.resource.plural,
      error: error instanceof Error ? error.message : String(error),
    });
    this.#do(step);
  }

  #counts(attempt: number): boolean {
    return this.#running && this.#state.isCurrent(attempt);
  }

  #announce(change: Change<T>): void {
    for (const listener of this.#listeners) {
      if (!this.#running) return;
      try {
        listener(change);
      } catch (error) {
        this.#listenerFailed(change, error);
      }
    }
  }

  #listenerFailed(change: Change<T>, error: unknown): void {
    const { logger, resource, panic } = this.#options;
    logger.error("a listener failed", {
      resource: resource.plural,
      name: change.object.metadata.name,
      change: change.type,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    panic?.(error);
  }

  #heard(): void {
    this.#lastHeard = this.#options.scheduler.now();
  }
}
