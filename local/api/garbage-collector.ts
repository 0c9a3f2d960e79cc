import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { KindRef, ObjectStore } from "./object-store.ts";

interface Dependent {
  readonly kind: KindRef;
  readonly namespace: string;
  readonly name: string;
}

const FOREGROUND = "foregroundDeletion";

/**
 * Deletes objects all of whose owners are gone (Kubernetes concept "Garbage collection"), in the background: some
 * time after the owner's deletion has been answered. An owner that never existed counts as gone, as in a cluster.
 */
export class OwnerIndex {
  readonly #store: ObjectStore;
  readonly #scheduler: Scheduler;
  readonly #uids = new Set<string>();
  /** Owner uid → the objects that name it. */
  readonly #dependents = new Map<string, Map<string, Dependent>>();
  /** Owners to look at in the next collection. */
  readonly #suspects = new Set<string>();
  /** Objects that wait for their dependents, by uid. */
  readonly #foreground = new Map<string, Dependent>();
  #scheduled = false;

  constructor(store: ObjectStore, scheduler: Scheduler) {
    this.#store = store;
    this.#scheduler = scheduler;
  }

  /** Follows one write. */
  track(kind: KindRef, old: KubeObject | undefined, next: KubeObject | undefined): void {
    const object = next ?? old;
    if (object === undefined) return;
    const place = {
      kind,
      namespace: object.metadata.namespace ?? "",
      name: object.metadata.name,
    };
    const key = `${kind.group}/${kind.plural}/${place.namespace}/${place.name}`;
    for (const owner of old?.metadata.ownerReferences ?? []) {
      const named = this.#dependents.get(owner.uid);
      named?.delete(key);
      if (named?.size === 0) this.#dependents.delete(owner.uid);
      if (this.#foreground.has(owner.uid)) this.collectSoon();
    }
    for (const owner of next?.metadata.ownerReferences ?? []) {
      let named = this.#dependents.get(owner.uid);
      if (named === undefined)
        this.#dependents.set(owner.uid, (named = new Map<string, Dependent>()));
      named.set(key, place);
      if (!this.#uids.has(owner.uid)) this.#suspect(owner.uid);
    }
    const uid = object.metadata.uid;
    if (uid === undefined) return;
    if (next === undefined) {
      this.#uids.delete(uid);
      this.#foreground.delete(uid);
      if (this.#dependents.has(uid)) this.#suspect(uid);
    } else {
      this.#uids.add(uid);
      if (next.metadata.finalizers?.includes(FOREGROUND) === true) this.#foreground.set(uid, place);
    }
  }

  hasDependents(owner: KubeObject): boolean {
    return this.#dependents.has(owner.metadata.uid ?? "");
  }

  /** Takes the references to `owner` out of its dependents, so that they stay. */
  orphan(owner: KubeObject): void {
    const uid = owner.metadata.uid ?? "";
    for (const { kind, namespace, name } of [...(this.#dependents.get(uid)?.values() ?? [])]) {
      const object = this.#store.find(kind, namespace, name);
      if (object === undefined) continue;
      const ownerReferences = (object.metadata.ownerReferences ?? []).filter(
        (each) => each.uid !== uid,
      );
      this.#store.update(kind, namespace, {
        ...object,
        metadata: { ...object.metadata, ownerReferences },
      });
    }
  }

  collectSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#scheduler.after(1, () => {
      this.#scheduled = false;
      this.#collect();
    });
  }

  #suspect(uid: string): void {
    this.#suspects.add(uid);
    this.collectSoon();
  }

  #collect(): void {
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    for (const uid of suspects) {
      if (this.#uids.has(uid)) continue;
      for (const place of [...(this.#dependents.get(uid)?.values() ?? [])]) {
        const object = this.#store.find(place.kind, place.namespace, place.name);
        const owners = object?.metadata.ownerReferences ?? [];
        if (owners.some((owner) => this.#uids.has(owner.uid))) continue;
        this.#delete(place, object, "Background");
      }
    }
    for (const [uid, place] of [...this.#foreground]) {
      const dependents = [...(this.#dependents.get(uid)?.values() ?? [])];
      for (const each of dependents) {
        this.#delete(each, this.#store.find(each.kind, each.namespace, each.name), "Foreground");
      }
      if (!this.#dependents.has(uid)) this.#release(uid, place);
    }
  }

  #delete(
    { kind, namespace, name }: Dependent,
    object: KubeObject | undefined,
    propagationPolicy: "Background" | "Foreground",
  ): void {
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
    this.#store.delete(kind, namespace, name, { propagationPolicy });
  }

  #release(uid: string, { kind, namespace, name }: Dependent): void {
    this.#foreground.delete(uid);
    const object = this.#store.find(kind, namespace, name);
    if (object === undefined || object.metadata.uid !== uid) return;
    const finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== FOREGROUND);
    this.#store.update(kind, namespace, {
      ...object,
      metadata: { ...object.metadata, finalizers },
    });
  }
}
