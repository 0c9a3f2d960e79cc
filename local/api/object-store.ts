import type { DeleteOptions } from "../../kube/api.ts";
import type { KubeObject, ObjectMeta } from "../../kube/objects.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { OwnerIndex } from "./garbage-collector.ts";
import { asObject, deepCopy, deepEqual, omit } from "./json.ts";
import { checkName, freshMeta, keptMeta, specChanged } from "./object-meta.ts";
import { builtInResources } from "./resources.ts";
import type { ResourceInfo } from "./resources.ts";
import type { ObjectFilter } from "./selectors.ts";
import { alreadyExists, conflict, notFound, statusError } from "./status-errors.ts";
import { WatchHistory, seenThrough } from "./watch-history.ts";
import type { StoreChange } from "./watch-history.ts";

export type { StoreChange } from "./watch-history.ts";

/** Names a kind of object in the store. */
export interface KindRef {
  readonly group: string;
  readonly plural: string;
}

export interface StoreWriteOptions {
  readonly subresource?: "status" | "scale";
  /** Decides and answers as usual, but stores nothing. */
  readonly dryRun?: boolean;
  /** Runs on the object as it would be stored, for defaults and validation. @throws InvalidError */
  readonly admit?: (object: KubeObject, old: KubeObject | undefined) => KubeObject;
}

export interface StoreOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Kinds beyond the built-in ones. Unknown kinds are served too, with a status subresource. */
  readonly resources?: readonly ResourceInfo[];
  /** Writes kept for watches; default 10 000. */
  readonly historyLimit?: number;
}

/** A watch on the store; `close` may be called at any time, also from within its callback. */
export interface StoreWatch {
  close(): void;
}

/**
 * Objects as the Kubernetes API server keeps them: one growing resourceVersion, optimistic concurrency, generation,
 * finalizers, owner references, bounded watch history. Objects handed out are shared and must not be changed.
 * Writes take effect before the call returns; watchers and listeners are told in order, within the call.
 */
export class ObjectStore {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #kinds = new Map<string, ResourceInfo>();
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #history: WatchHistory;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  readonly #owners: OwnerIndex;
  #revision = 0;

  constructor(options: StoreOptions) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#history = new WatchHistory(options.historyLimit ?? 10_000);
    for (const info of [...builtInResources, ...(options.resources ?? [])]) this.register(info);
    this.#owners = new OwnerIndex(this, options.scheduler);
  }

  /** The revision of the newest write; a list taken now is at this revision. */
  get resourceVersion(): string {
    return String(this.#revision);
  }

  register(info: ResourceInfo): void {
    this.#kinds.set(keyOfKind(info), info);
  }

  unregister(kind: KindRef): void {
    this.#kinds.delete(keyOfKind(kind));
  }

  info(kind: KindRef): ResourceInfo | undefined {
    return this.#kinds.get(keyOfKind(kind));
  }

  kinds(): readonly ResourceInfo[] {
    return [...this.#kinds.values()];
  }

  find(kind: KindRef, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(keyOfKind(kind))?.get(this.#key(kind, namespace, name));
  }

  /** @throws NotFoundError */
  get(kind: KindRef, namespace: string, name: string): KubeObject {
    const object = this.find(kind, namespace, name);
    if (object === undefined) throw notFound(kind.group, kind.plural, name);
    return object;
  }

  /** Objects of one namespace, or of all when it is "", ordered by namespace and name. */
  list(kind: KindRef, namespace: string, filter?: ObjectFilter): KubeObject[] {
    const all = [...(this.#objects.get(keyOfKind(kind)) ?? new Map<string, KubeObject>())];
    return all
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
      .filter(
        (object) =>
          (namespace === "" ||
            this.#clusterWide(kind) ||
            object.metadata.namespace === namespace) &&
          (filter === undefined || filter(object)),
      );
  }

  /** @throws AlreadyExistsError, InvalidError */
  create(
    kind: KindRef,
    namespace: string,
    input: KubeObject,
    options: StoreWriteOptions = {},
  ): KubeObject {
    let object = deepCopy(input);
    const inNamespace = this.#clusterWide(kind) ? "" : namespace;
    const meta = freshMeta(object.metadata, inNamespace, this.#random, this.#scheduler.wallNow());
    checkName(kind, object.kind, meta.name);
    if (object.metadata.resourceVersion !== undefined && object.metadata.resourceVersion !== "") {
      throw statusError(
        400,
        "BadRequest",
        "resourceVersion should not be set on objects to be created",
      );
    }
    object = { ...object, metadata: meta };
    if (this.#hasStatus(kind)) object = withStatus(object, undefined);
    if (options.admit !== undefined) object = options.admit(object, undefined);
    if (this.find(kind, namespace, meta.name) !== undefined) {
      throw alreadyExists(kind.group, kind.plural, meta.name);
    }
    return options.dryRun === true ? object : this.#commit(kind, "ADDED", object, undefined);
  }

  /**
   * Stores a new state of an object that exists. With `metadata.resourceVersion` it is a compare-and-swap; a uid in it
   * must match too. @throws NotFoundError, ConflictError, InvalidError
   */
  update(
    kind: KindRef,
    namespace: string,
    input: KubeObject,
    options: StoreWriteOptions = {},
  ): KubeObject {
    const { name, resourceVersion, uid } = input.metadata;
    const old = this.get(kind, namespace, name);
    if (resourceVersion !== undefined && resourceVersion !== "") {
      if (resourceVersion !== old.metadata.resourceVersion)
        throw conflict(kind.group, kind.plural, name);
    }
    if (uid !== undefined && uid !== "" && uid !== old.metadata.uid) {
      throw conflict(
        kind.group,
        kind.plural,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ""}`,
      );
    }
    let object = deepCopy(input);
    if (options.subresource === "status") {
      const status = asObject(object)["status"];
      const { managedFields } = object.metadata;
      const metadata =
        managedFields === undefined ? old.metadata : { ...old.metadata, managedFields };
      object = withStatus({ ...old, metadata }, status);
    } else {
      object = { ...object, metadata: keptMeta(object.metadata, old.metadata) };
      if (this.#hasStatus(kind)) object = withStatus(object, asObject(old)["status"]);
    }
    object = { ...object, apiVersion: input.apiVersion, kind: old.kind };
    if (options.admit !== undefined) object = options.admit(object, old);
    const generation = old.metadata.generation ?? 1;
    const bumped = specChanged(old, object, this.#hasStatus(kind)) ? generation + 1 : generation;
    object = { ...object, metadata: { ...object.metadata, generation: bumped } };
    if (deepEqual(object, old)) return old;
    if (options.dryRun === true) return object;
    if (object.metadata.deletionTimestamp !== undefined && isReleased(object)) {
      return this.#commit(kind, "DELETED", object, old);
    }
    return this.#commit(kind, "MODIFIED", object, old);
  }

  /**
   * Removes an object, or marks it when finalizers or a running pod keep it.
   * @returns the last state. @throws NotFoundError, ConflictError of a precondition
   */
  delete(
    kind: KindRef,
    namespace: string,
    name: string,
    options: DeleteOptions & { readonly dryRun?: boolean } = {},
  ): { readonly object: KubeObject; readonly removed: boolean } {
    const old = this.get(kind, namespace, name);
    for (const field of ["uid", "resourceVersion"] as const) {
      const wanted = options[field];
      if (wanted === undefined || wanted === old.metadata[field]) continue;
      const what = field === "uid" ? "UID" : "ResourceVersion";
      throw conflict(
        kind.group,
        kind.plural,
        name,
        `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${old.metadata[field] ?? ""}`,
      );
    }
    if (options.propagationPolicy === "Orphan" && options.dryRun !== true) this.#owners.orphan(old);
    const foreground =
      options.propagationPolicy === "Foreground" && this.#owners.hasDependents(old);
    const finalizers = foreground
      ? [...new Set([...(old.metadata.finalizers ?? []), "foregroundDeletion"])]
      : old.metadata.finalizers;
    const grace = gracePeriod(kind, old, options.gracePeriodSeconds);
    if (grace === 0 && (finalizers === undefined || finalizers.length === 0)) {
      if (options.dryRun === true) return { object: old, removed: true };
      return { object: this.#commit(kind, "DELETED", old, old), removed: true };
    }
    const meta: ObjectMeta & { readonly deletionGracePeriodSeconds?: number } = {
      ...old.metadata,
      ...(finalizers === undefined ? {} : { finalizers }),
      deletionTimestamp:
        old.metadata.deletionTimestamp ?? rfc3339(this.#scheduler.wallNow() + grace * 1000),
      deletionGracePeriodSeconds: grace,
    };
    const object = { ...old, metadata: meta };
    if (options.dryRun === true || deepEqual(object, old)) return { object, removed: false };
    const stored = this.#commit(kind, "MODIFIED", object, old);
    if (foreground) this.#owners.collectSoon();
    return { object: stored, removed: false };
  }

  /**
   * Calls `onEvent` for each change after `resourceVersion`, the kept ones at once and within this call.
   * @throws GoneError when the history no longer reaches back that far.
   */
  watch(
    kind: KindRef,
    namespace: string,
    resourceVersion: string,
    filter: ObjectFilter,
    onEvent: (type: StoreChange["type"], object: KubeObject) => void,
  ): StoreWatch {
    const resource = keyOfKind(kind);
    const clusterWide = this.#clusterWide(kind);
    let open = true;
    const deliver = (change: StoreChange): void => {
      if (!open || change.resource !== resource) return;
      if (namespace !== "" && !clusterWide && change.object.metadata.namespace !== namespace)
        return;
      const seen = seenThrough(change, filter);
      if (seen !== undefined) onEvent(seen.type, seen.object);
    };
    for (const change of this.#history.after(Number(resourceVersion))) deliver(change);
    this.#listeners.add(deliver);
    return {
      close: () => {
        open = false;
        this.#listeners.delete(deliver);
      },
    };
  }

  /** Called for each write, before the write returns. @returns a function that ends it. */
  onChange(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets all but the newest `count` changes, so that older watches get 410 Gone. */
  compactHistory(count = 0): void {
    this.#history.trim(count);
  }

  /** All objects with their resources, for a snapshot. */
  dump(): {
    readonly revision: number;
    readonly objects: { resource: string; object: KubeObject }[];
  } {
    const objects = [...this.#objects].flatMap(([resource, byName]) =>
      [...byName.values()].map((object) => ({ resource, object })),
    );
    return { revision: this.#revision, objects };
  }

  /** Puts back a stored state (`object`) or its removal (undefined); tells nobody. For loading only. */
  restore(resource: string, object: KubeObject, present: boolean, revision: number): void {
    const kind = kindOfKey(resource);
    const key = this.#key(kind, object.metadata.namespace ?? "", object.metadata.name);
    const byName = this.#byName(resource);
    const old = byName.get(key);
    if (present) byName.set(key, object);
    else byName.delete(key);
    this.#owners.track(kind, old, present ? object : undefined);
    this.#revision = Math.max(this.#revision, revision);
    this.#history.reset(this.#revision);
  }

  #commit(
    kind: KindRef,
    type: StoreChange["type"],
    object: KubeObject,
    old: KubeObject | undefined,
  ): KubeObject {
    const revision = ++this.#revision;
    const stored = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(revision) },
    };
    const resource = keyOfKind(kind);
    const key = this.#key(kind, stored.metadata.namespace ?? "", stored.metadata.name);
    if (type === "DELETED") this.#byName(resource).delete(key);
    else this.#byName(resource).set(key, stored);
    this.#owners.track(kind, old, type === "DELETED" ? undefined : stored);
    const change = {
      type,
      resource,
      revision,
      object: stored,
      ...(old === undefined ? {} : { old }),
    };
    this.#history.add(change);
    for (const listener of [...this.#listeners]) listener(change);
    return stored;
  }

  #byName(resource: string): Map<string, KubeObject> {
    let byName = this.#objects.get(resource);
    if (byName === undefined) this.#objects.set(resource, (byName = new Map<string, KubeObject>()));
    return byName;
  }

  #clusterWide(kind: KindRef): boolean {
    return this.info(kind)?.namespaced === false;
  }

  #hasStatus(kind: KindRef): boolean {
    return this.info(kind)?.status ?? true;
  }

  #key(kind: KindRef, namespace: string, name: string): string {
    return `${this.#clusterWide(kind) ? "" : namespace}/${name}`;
  }
}

/** `group/plural`, the name of a kind in changes and snapshots. */
export function keyOfKind(kind: KindRef): string {
  return `${kind.group}/${kind.plural}`;
}

export function kindOfKey(resource: string): KindRef {
  const [group = "", plural = ""] = resource.split("/");
  return { group, plural };
}

/** RFC 3339 to the second, as metav1.Time. */
export function rfc3339(epochMillis: number): string {
  return new Date(epochMillis).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The object with this status, or with none. */
function withStatus(object: KubeObject, status: unknown): KubeObject {
  const rest = omit(object as KubeObject & { status?: unknown }, "status");
  return status === undefined ? rest : { ...rest, ...{ status } };
}

/** Whether nothing keeps a marked object any longer. */
function isReleased(object: KubeObject): boolean {
  const seconds = asObject(object.metadata)["deletionGracePeriodSeconds"];
  return (
    (object.metadata.finalizers ?? []).length === 0 && (seconds === undefined || seconds === 0)
  );
}

/** A pod on a node is given time to end; its kubelet deletes it again with 0 when it has. */
function gracePeriod(kind: KindRef, object: KubeObject, asked: number | undefined): number {
  if (kind.group !== "" || kind.plural !== "pods") return 0;
  const spec = asObject(asObject(object)["spec"]);
  if (typeof spec["nodeName"] !== "string" || spec["nodeName"] === "") return 0;
  const own = spec["terminationGracePeriodSeconds"];
  return asked ?? (typeof own === "number" ? own : 30);
}
