import type { Millis } from "../lib/units.ts";
import type { KubeObject } from "./objects.ts";

/** Where a kind of object lives: `group` is "" for core. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  /** Only carries the type of the objects. */
  readonly type?: T;
}

export interface ListOptions {
  /** Equality-based selector, `key=value,key2=value2`. */
  readonly labelSelector?: string;
  readonly limit?: number;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** One operation of a JSON Patch (RFC 6902). */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WatchOptions {
  readonly labelSelector?: string;
  readonly resourceVersion: string;
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds: number;
}

export interface WatchHandlers<T> {
  onEvent(event: WatchEvent<T>): void;
  /** Called once: `undefined` when the server ended it in order, `GoneError` for 410, else what broke it. */
  onEnd(error: Error | undefined): void;
}

export interface WatchHandle {
  close(): void;
}

export interface WriteOptions {
  readonly subresource?: "status" | "scale";
  readonly deadline?: Millis;
}

export interface DeleteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Pods: seconds until they are killed; 0 removes the object at once (what a kubelet does at the end). */
  readonly gracePeriodSeconds?: number;
}

/**
 * The small typed Kubernetes API that everything of ours uses; `kube/client.ts` speaks it over HTTP, the simulator
 * offers it on an object store with faults. All reads are quorum reads (no resourceVersion is sent). Each call ends by
 * its deadline. Errors are the classes of `kube/errors.ts`; after `UnknownOutcomeError` a write may have happened.
 */
export interface KubeApi {
  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T>;
  list<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options?: ListOptions,
  ): Promise<ObjectList<T>>;
  create<T extends KubeObject>(resource: Resource<T>, namespace: string, object: T): Promise<T>;
  /** PUT: `object.metadata.resourceVersion` makes it a compare-and-swap. */
  replace<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    options?: WriteOptions,
  ): Promise<T>;
  /** A failed `test` operation is an `InvalidError` (the API server answers 422). */
  jsonPatch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    operations: readonly JsonPatchOperation[],
    options?: WriteOptions,
  ): Promise<T>;
  /** Server-side apply with force. */
  apply<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    fieldManager: string,
    options?: WriteOptions,
  ): Promise<T>;
  delete(
    resource: Resource,
    namespace: string,
    name: string,
    options?: DeleteOptions,
  ): Promise<void>;
  watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: WatchOptions,
    handlers: WatchHandlers<T>,
  ): WatchHandle;
}
