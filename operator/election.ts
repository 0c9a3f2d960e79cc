import type { Lease } from "../kube/objects.ts";
import { microTime } from "../lib/clock.ts";
import { SECOND, type EpochMillis, type Millis } from "../lib/units.ts";

/** How long others leave a Lease alone that does not change. */
export const LEASE_DURATION: Millis = 15 * SECOND;
/** A holder that has not renewed for this long stops; the rest of the duration is for what it had on its way. */
export const RENEW_DEADLINE: Millis = 10 * SECOND;
/** The holder renews this often. */
export const RENEW_EVERY: Millis = 3 * SECOND;
/** Others look this often, and a renewal that failed is tried again after this. */
export const RETRY_EVERY: Millis = 2 * SECOND;

/** What to do next: read the Lease, write it to take or to renew it, or neither before `delay` has passed. */
export type ElectionStep =
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly spec: NonNullable<Lease["spec"]>; readonly from: Lease }
  | { readonly kind: "wait"; readonly delay: Millis }
  /** This process led and must do so no more. */
  | { readonly kind: "lost" };

/**
 * Which of several processes leads, by a coordination.k8s.io Lease (core). It is taken when nobody holds it, or when it
 * has not changed for its duration by this observer's own monotonic clock; the times written in it are for people
 * alone. Writes are compare-and-swap. Once lost it is not taken again: whoever wants it begins with another election.
 */
export class Election {
  readonly #identity: string;
  #observed: { readonly lease: Lease; readonly since: Millis } | undefined;
  /** The Lease is to be read before anything is decided. */
  #stale = true;
  #notBefore: Millis = 0;
  #heldUntil: Millis | undefined;
  #lost = false;

  /** @param identity unique to this process, also among former lives of its pod */
  constructor(identity: string) {
    this.#identity = identity;
  }

  /** Whether this process may act as the leader. */
  leads(now: Millis): boolean {
    return !this.#lost && this.#heldUntil !== undefined && now < this.#heldUntil;
  }

  /** When leading ends unless it is renewed. */
  get heldUntil(): Millis | undefined {
    return this.#heldUntil;
  }

  /** Who holds the Lease as last seen; "" when nobody does, undefined before it was seen. */
  get holder(): string | undefined {
    return this.#observed === undefined
      ? undefined
      : (this.#observed.lease.spec?.holderIdentity ?? "");
  }

  next(now: Millis, wallNow: EpochMillis): ElectionStep {
    if (this.#lost || (this.#heldUntil !== undefined && now >= this.#heldUntil)) {
      this.#lost = true;
      return { kind: "lost" };
    }
    if (now < this.#notBefore) return { kind: "wait", delay: this.#notBefore - now };
    if (this.#stale || this.#observed === undefined) return { kind: "read" };
    const { lease } = this.#observed;
    if (this.#heldUntil === undefined && !this.#mayTake(now)) {
      this.#stale = true;
      return { kind: "read" };
    }
    return { kind: "write", spec: this.#claim(lease, wallNow), from: lease };
  }

  /** A read gave this. */
  read(lease: Lease, now: Millis): void {
    this.#stale = false;
    if (this.#observed?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion) {
      this.#observed = { lease, since: now };
    }
    if (this.#heldUntil !== undefined) {
      // Nobody's: it was deleted and made anew, and is taken again if no other was quicker.
      const { holderIdentity = "" } = lease.spec ?? {};
      if (holderIdentity !== this.#identity && holderIdentity !== "") this.#lost = true;
    } else if (!this.#mayTake(now)) {
      this.#look(Math.min(now + RETRY_EVERY, this.#expiry()));
    }
  }

  /** A write was answered with this. @param sentAt before it left: others count from when they saw it, which is later */
  written(lease: Lease, sentAt: Millis, now: Millis): void {
    this.#observed = { lease, since: now };
    this.#stale = false;
    this.#heldUntil = sentAt + RENEW_DEADLINE;
    this.#notBefore = sentAt + RENEW_EVERY;
  }

  /** A read or write failed, or what a write did is not known: read again before the next. */
  failed(now: Millis): void {
    this.#look(now + RETRY_EVERY);
  }

  /** Somebody else wrote first. */
  conflicted(now: Millis): void {
    this.#look(now);
  }

  /** What gives the Lease back, so that another takes it at its next look; undefined when it is not held. */
  release(now: Millis): Lease | undefined {
    const mine = this.leads(now) && this.#observed?.lease;
    this.#lost = true;
    if (!mine) return undefined;
    return { ...mine, spec: { ...mine.spec, holderIdentity: "" } };
  }

  #look(at: Millis): void {
    this.#stale = true;
    this.#notBefore = at;
  }

  #mayTake(now: Millis): boolean {
    if (this.#observed === undefined) return false;
    const { holderIdentity = "" } = this.#observed.lease.spec ?? {};
    if (holderIdentity === "" || holderIdentity === this.#identity) return true;
    return now >= this.#expiry();
  }

  /** When the Lease may be taken if it stays as it is. */
  #expiry(): Millis {
    if (this.#observed === undefined) return Infinity;
    const { lease, since } = this.#observed;
    return since + (lease.spec?.leaseDurationSeconds ?? LEASE_DURATION / SECOND) * SECOND;
  }

  #claim({ spec = {} }: Lease, wallNow: EpochMillis): NonNullable<Lease["spec"]> {
    const time = microTime(wallNow);
    const mine = spec.holderIdentity === this.#identity;
    return {
      ...spec,
      holderIdentity: this.#identity,
      leaseDurationSeconds: LEASE_DURATION / SECOND,
      renewTime: time,
      ...(mine ? {} : { acquireTime: time, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 }),
    };
  }
}
