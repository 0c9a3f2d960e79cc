import type {
  DeleteOptions,
  JsonPatchOperation,
  KubeApi,
  ListOptions,
  ObjectList,
  Resource,
  WatchEvent,
  WatchHandle,
  WatchHandlers,
  WatchOptions,
  WriteOptions,
} from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { applyObject } from "./apply.ts";
import { deepCopy } from "./json.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { builtInListTypes } from "./list-keys.ts";
import { rfc3339 } from "./object-store.ts";
import type { ObjectStore, StoreWatch, StoreWriteOptions } from "./object-store.ts";
import { labelFilter } from "./selectors.ts";
import { statusError } from "./status-errors.ts";

export type KubeVerb =
  "get" | "list" | "create" | "replace" | "jsonPatch" | "apply" | "delete" | "watch";

export interface KubeCall {
  readonly verb: KubeVerb;
  readonly resource: Resource;
  /** Empty for list and watch. */
  readonly name: string;
}

/** What goes wrong with one call, or with the delivery of one event of a watch. */
export interface KubeFault {
  /** Before the call takes effect, and once more before its answer arrives. */
  readonly delayMs?: Millis;
  /** The call fails without effect; ends a watch. */
  readonly before?: Error;
  /** The call takes effect and then fails, for example with UnknownOutcomeError. */
  readonly after?: Error;
}

export interface MemoryKubeApiOptions {
  readonly store: ObjectStore;
  readonly scheduler: Scheduler;
  /** Asked for each call, and for a watch again for each event (`verb` watch). */
  readonly fault?: (call: KubeCall) => KubeFault | undefined;
  /** Checks and defaults for a kind, as `StoreWriteOptions.admit`. */
  readonly admit?: (resource: Resource) => StoreWriteOptions["admit"];
  /** Awaited after a write and before its answer: a store on disk syncs here. */
  readonly afterWrite?: () => Promise<void>;
}

/**
 * The Kubernetes API directly on an object store, without HTTP: for the simulator and for tests. Objects are copied both
 * ways. No answer and no event arrives within the call; events of one watch keep their order whatever their delays.
 */
export function createMemoryKubeApi(options: MemoryKubeApiOptions): KubeApi {
  return new MemoryKubeApi(options);
}

class MemoryKubeApi implements KubeApi {
  readonly #options: MemoryKubeApiOptions;

  constructor(options: MemoryKubeApiOptions) {
    this.#options = options;
  }

  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T> {
    return this.#call("get", resource, name, () =>
      this.#out(resource, this.#options.store.get(resource, namespace, name)),
    );
  }

  list<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    return this.#call("list", resource, "", () => {
      const { store } = this.#options;
      // `limit` is the page size: like the HTTP client, this returns all pages.
      const items = store.list(resource, namespace, labelFilter(options.labelSelector));
      return {
        items: items.map((item) => this.#out(resource, item)),
        resourceVersion: store.resourceVersion,
      };
    });
  }

  create<T extends KubeObject>(resource: Resource<T>, namespace: string, object: T): Promise<T> {
    return this.#write("create", resource, object, {}, (input, options) =>
      this.#options.store.create(resource, namespace, input, options),
    );
  }

  replace<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#write("replace", resource, object, options, (input, write) =>
      this.#options.store.update(resource, namespace, input, write),
    );
  }

  jsonPatch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    operations: readonly JsonPatchOperation[],
    options: WriteOptions = {},
  ): Promise<T> {
    const patch = deepCopy(operations);
    return this.#call("jsonPatch", resource, name, () => {
      const { store } = this.#options;
      const next = applyJsonPatch(store.get(resource, namespace, name), patch) as KubeObject;
      if (next.metadata.name !== name) {
        throw statusError(
          400,
          "BadRequest",
          "the name of the object does not match the name on the URL",
        );
      }
      return this.#out(
        resource,
        store.update(resource, namespace, next, this.#writeOptions(resource, options)),
      );
    });
  }

  apply<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    fieldManager: string,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#write("apply", resource, object, options, (input, write) => {
      const { store, scheduler } = this.#options;
      const live = store.find(resource, namespace, input.metadata.name);
      const next = applyObject(live, input, {
        manager: fieldManager,
        force: true,
        listTypes: builtInListTypes,
        time: rfc3339(scheduler.wallNow()),
        ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
      });
      if (live !== undefined) return store.update(resource, namespace, next, write);
      if (options.subresource !== undefined)
        return store.get(resource, namespace, input.metadata.name);
      return store.create(resource, namespace, next, write);
    });
  }

  delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    return this.#call("delete", resource, name, () => {
      this.#options.store.delete(resource, namespace, name, options);
    });
  }

  watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: WatchOptions,
    handlers: WatchHandlers<T>,
  ): WatchHandle {
    const watch = new MemoryWatch(this.#options, resource, handlers);
    watch.start(namespace, options);
    return watch;
  }

  #write<T extends KubeObject>(
    verb: KubeVerb,
    resource: Resource<T>,
    object: T,
    options: WriteOptions,
    write: (input: KubeObject, options: StoreWriteOptions) => KubeObject,
  ): Promise<T> {
    // Copied at once: the caller may go on changing its object while the call is under way.
    const copy = deepCopy<KubeObject>(object);
    const { group, version } = resource;
    const apiVersion = group === "" ? version : `${group}/${version}`;
    const input = { ...copy, apiVersion, kind: resource.kind };
    return this.#call(verb, resource, object.metadata.name, () =>
      this.#out(resource, write(input, this.#writeOptions(resource, options))),
    );
  }

  #writeOptions(resource: Resource, options: WriteOptions): StoreWriteOptions {
    const admit = this.#options.admit?.(resource);
    return {
      ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
      ...(admit === undefined ? {} : { admit }),
    };
  }

  #out<T extends KubeObject>(_resource: Resource<T>, object: KubeObject): T {
    return deepCopy(object) as T;
  }

  #call<R>(verb: KubeVerb, resource: Resource, name: string, effect: () => R): Promise<R> {
    const { scheduler, fault: faultOf, afterWrite } = this.#options;
    const isRead = verb === "get" || verb === "list";
    const fault = faultOf?.({ verb, resource, name });
    const delay = fault?.delayMs ?? 0;
    return new Promise((resolve, reject) => {
      scheduler.after(delay, () => {
        let answer: () => void;
        try {
          if (fault?.before !== undefined) throw fault.before;
          const result = effect();
          if (fault?.after !== undefined) throw fault.after;
          answer = () => {
            resolve(result);
          };
        } catch (error) {
          answer = () => {
            reject(error instanceof Error ? error : new Error(String(error)));
          };
        }
        const deliver = (): void => {
          if (delay > 0) scheduler.after(delay, answer);
          else answer();
        };
        if (isRead || afterWrite === undefined) deliver();
        else afterWrite().then(deliver, reject);
      });
    });
  }
}

/** Idle watches are told the current resourceVersion this often, as the API server does each minute. */
const BOOKMARK_MS: Millis = 60_000;
/** Events that may wait for delivery; a watch that is further behind is ended, as a slow client's connection is. */
const MAX_BACKLOG = 10_000;

class MemoryWatch<T extends KubeObject> implements WatchHandle {
  readonly #options: MemoryKubeApiOptions;
  readonly #resource: Resource<T>;
  readonly #handlers: WatchHandlers<T>;
  readonly #backlog: WatchEvent<T>[] = [];
  #inner: StoreWatch | undefined;
  #timers: Timer[] = [];
  #open = true;
  #delivering = false;

  constructor(options: MemoryKubeApiOptions, resource: Resource<T>, handlers: WatchHandlers<T>) {
    this.#options = options;
    this.#resource = resource;
    this.#handlers = handlers;
  }

  start(namespace: string, options: WatchOptions): void {
    const { scheduler, store } = this.#options;
    const fault = this.#fault();
    this.#timers.push(
      scheduler.after(fault?.delayMs ?? 0, () => {
        if (!this.#open) return;
        if (fault?.before !== undefined) {
          this.#end(fault.before);
          return;
        }
        try {
          this.#inner = store.watch(
            this.#resource,
            namespace,
            options.resourceVersion,
            labelFilter(options.labelSelector),
            (type, object) => {
              this.#push({ type, object: deepCopy(object) as T });
            },
          );
        } catch (error) {
          this.#end(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        this.#bookmarkLater();
      }),
      scheduler.after(options.timeoutSeconds * 1000, () => {
        this.#end(undefined);
      }),
    );
  }

  close(): void {
    this.#open = false;
    this.#inner?.close();
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#backlog.length = 0;
  }

  #bookmarkLater(): void {
    const timer = this.#options.scheduler.after(BOOKMARK_MS, () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
      if (!this.#open) return;
      this.#push({ type: "BOOKMARK", resourceVersion: this.#options.store.resourceVersion });
      this.#bookmarkLater();
    });
    this.#timers.push(timer);
  }

  #push(event: WatchEvent<T>): void {
    if (!this.#open) return;
    if (this.#backlog.length >= MAX_BACKLOG) {
      this.#end(statusError(504, "Timeout", "the watch is too far behind"));
      return;
    }
    this.#backlog.push(event);
    this.#deliverNext();
  }

  /** One event at a time, so that a delayed one holds back those behind it. */
  #deliverNext(): void {
    if (this.#delivering || this.#backlog.length === 0) return;
    this.#delivering = true;
    const fault = this.#fault();
    this.#options.scheduler.after(fault?.delayMs ?? 0, () => {
      this.#delivering = false;
      if (!this.#open) return;
      if (fault?.before !== undefined) {
        this.#end(fault.before);
        return;
      }
      const event = this.#backlog.shift();
      if (event !== undefined) this.#handlers.onEvent(event);
      if (fault?.after !== undefined) this.#end(fault.after);
      this.#deliverNext();
    });
  }

  #end(error: Error | undefined): void {
    if (!this.#open) return;
    this.close();
    this.#handlers.onEnd(error);
  }

  #fault(): KubeFault | undefined {
    return this.#options.fault?.({ verb: "watch", resource: this.#resource, name: "" });
  }
}
