import {
  byAge,
  type ClientQuota,
  DEFAULT_ENTITY,
  entityKey,
  type QuotaEntity,
  type QuotaLimits,
} from "../../cluster/client-quota.ts";

/** A client as quotas tell it from others. */
export interface QuotaClient {
  readonly user: string;
  readonly clientId: string;
}

/** A quota that holds for a client, and who shares it. */
export interface FoundQuota {
  /** Those with the same text use it up together. */
  readonly sharers: string;
  readonly value: number;
}

/** Quotas in force, from whatever ClientQuota objects there are (core). */
export class QuotaTable {
  /** Objects by uid, and by entity those that are for it, the oldest first. */
  readonly #objects = new Map<string, ClientQuota>();
  readonly #byEntity = new Map<string, readonly ClientQuota[]>();
  readonly #listeners = new Set<() => void>();

  /** None at all: nothing needs to be counted. */
  get empty(): boolean {
    return this.#byEntity.size === 0;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  absorb(object: ClientQuota): void {
    const uid = object.metadata.uid ?? "";
    const before = this.#objects.get(uid);
    if (before !== undefined) this.#take(before);
    this.#objects.set(uid, object);
    const key = entityKey(object.spec.entity);
    const all = [...(this.#byEntity.get(key) ?? []), object];
    this.#byEntity.set(key, all.sort(byAge));
    this.#changed();
  }

  remove(uid: string): void {
    const object = this.#objects.get(uid);
    if (object === undefined) return;
    this.#take(object);
    this.#changed();
  }

  /** The object that counts for an entity. */
  object(entity: QuotaEntity): ClientQuota | undefined {
    return this.#byEntity.get(entityKey(entity))?.[0];
  }

  *entries(): Iterable<{ readonly entity: QuotaEntity; readonly limits: QuotaLimits }> {
    for (const [object] of this.#byEntity.values()) {
      if (object !== undefined)
        yield { entity: object.spec.entity, limits: object.spec.limits ?? {} };
    }
  }

  /**
   * The quota of a client: the nearest entity that has one, in Kafka's order: user and client id, each by name before by
   * default, then the user, then the client id (KIP-55). Whoever has it by default still has it for itself alone.
   */
  find(field: keyof QuotaLimits, { user, clientId }: QuotaClient): FoundQuota | undefined {
    const both = JSON.stringify([user, clientId]);
    const ofUser = JSON.stringify([user, null]);
    const ofClient = JSON.stringify([null, clientId]);
    return (
      this.#limit(field, both, { user, clientId }) ??
      this.#limit(field, both, { user, clientId: DEFAULT_ENTITY }) ??
      this.#limit(field, ofUser, { user }) ??
      this.#limit(field, both, { user: DEFAULT_ENTITY, clientId }) ??
      this.#limit(field, both, { user: DEFAULT_ENTITY, clientId: DEFAULT_ENTITY }) ??
      this.#limit(field, ofUser, { user: DEFAULT_ENTITY }) ??
      this.#limit(field, ofClient, { clientId }) ??
      this.#limit(field, ofClient, { clientId: DEFAULT_ENTITY })
    );
  }

  /** The quota of an address (KIP-612). */
  findOfIp(field: keyof QuotaLimits, ip: string): FoundQuota | undefined {
    return this.#limit(field, ip, { ip }) ?? this.#limit(field, ip, { ip: DEFAULT_ENTITY });
  }

  #limit(field: keyof QuotaLimits, sharers: string, entity: QuotaEntity): FoundQuota | undefined {
    const value = this.object(entity)?.spec.limits?.[field];
    return value === undefined || !(value > 0) ? undefined : { sharers, value };
  }

  #take(object: ClientQuota): void {
    this.#objects.delete(object.metadata.uid ?? "");
    const key = entityKey(object.spec.entity);
    const rest = (this.#byEntity.get(key) ?? []).filter((one) => one !== object);
    if (rest.length === 0) this.#byEntity.delete(key);
    else this.#byEntity.set(key, rest);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
