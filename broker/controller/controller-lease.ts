import type { BrokerId } from "../../cluster/broker.ts";
import { CLUSTER_LABEL, leases } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../kube/errors.ts";
import type { Lease } from "../../kube/objects.ts";
import { isOlderVersion } from "../../kube/resource-version.ts";
import { Backoff } from "../../lib/backoff.ts";
import { microTime, type Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";
import { clusterOwner } from "../metadata/cluster-owner.ts";

/** The process that holds the Lease: broker id and broker epoch, as `<id>:<epoch>`. */
export interface Holder {
  readonly id: BrokerId;
  readonly epoch: number;
}

export function holderIdentity(holder: Holder): string {
  return `${String(holder.id)}:${String(holder.epoch)}`;
}

export function parseHolder(identity: string | undefined): Holder | undefined {
  const match = /^(\d+):(\d+)$/.exec(identity ?? "");
  return match === null ? undefined : { id: Number(match[1]), epoch: Number(match[2]) };
}

/** The Lease as last read, and when (monotonic) its version was first seen. */
interface Observed {
  readonly lease: Lease;
  readonly since: Millis;
}

const RENEW_MS = 1000;
const DURATION_SECONDS = 3;
/**
 * A holder that answers heartbeats and is in touch, but does not renew, is left the Lease for so long: most likely the API
 * fails everyone, and a new controller would be one whom its brokers do not know of yet.
 */
const PATIENCE_MS = 2 * DURATION_SECONDS * 1000;
/** Between two looks at what is known of the holder. */
const LOOK_MS = 100;
/** Between two attempts to take the Lease. */
const ATTEMPT_MS = 500;
/** Refused writes in a row: the second try is at once, then these. */
const REFUSED_FIRST_MS = 20;
const REFUSED_MAX_MS = 1000;

export interface ControllerLeaseOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly name: string;
  readonly clusterName: string;
  readonly self: Holder;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /** The holder changed, as far as is known here. */
  readonly onHolder: (holder: Holder | undefined) => void;
  /** Whether the broker has a newer process than the holder: then the holder is gone. */
  readonly superseded: (holder: Holder) => boolean;
  /** For how long the holder has not told this broker that it is in touch; undefined for one that is not watched. */
  readonly silence: (holder: Holder) => Millis | undefined;
  /** A holder that was silent for so long and did not renew meanwhile is taken for dead. */
  readonly sessionTimeoutMs: Millis;
}

/**
 * The controller's Lease (DESIGN.md §3): renewed each second, taken when its holder is provably dead, when it has not
 * changed for its duration by this observer's own clock, or when it has not changed for the session timeout and the
 * holder has not answered a heartbeat for as long either. While the holder answers, it is taken only when reads that the
 * API answered, one after the other, have found it unchanged for `PATIENCE_MS`. It decides who does the work of the
 * controller and nothing else (docs/invariants.md C8).
 */
export class ControllerLease {
  readonly #options: ControllerLeaseOptions;
  #observed: Observed | undefined;
  /** When a read found the version observed, if no read has failed since. */
  #foundAt: Millis | undefined;
  #heldUntil: Millis = -Infinity;
  #provablyDead: string | undefined;
  #busy = false;
  /** When what it is busy with was begun, or was looked after last. */
  #busySince: Millis = 0;
  #again = false;
  #stopped = false;
  #attemptedAt: Millis = -Infinity;
  readonly #backoff: Backoff;
  /** Nothing is written before: writes were refused one after the other. */
  #notBefore: Millis = -Infinity;
  #delayed = false;

  constructor(options: ControllerLeaseOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random, REFUSED_FIRST_MS, REFUSED_MAX_MS);
  }

  /** This broker holds the Lease, by its own monotonic clock. */
  get held(): boolean {
    return this.#options.scheduler.now() < this.#heldUntil;
  }

  start(): void {
    this.#tick();
  }

  /** A copy of the Lease from a watch. */
  observe(lease: Lease): void {
    this.#absorb(lease);
    if (!this.held && this.#isWorthReading()) this.poke();
  }

  #absorb(lease: Lease): void {
    const { uid, resourceVersion } = lease.metadata;
    const known = this.#observed?.lease.metadata;
    if (known?.resourceVersion === resourceVersion) return;
    // A list of long ago, or a watch that begins there, must not bring a former controller back.
    if (known?.uid === uid && isOlderVersion(resourceVersion, known?.resourceVersion)) return;
    this.#observed = { lease, since: this.#options.scheduler.now() };
    this.#foundAt = undefined;
    this.#report();
  }

  /** The holder's process is gone, because its connection broke and another was refused; or it says itself that it has resigned. */
  holderIsDead(holder: Holder): void {
    const identity = holderIdentity(holder);
    if (identity !== this.#provablyDead) this.#accepted();
    this.#provablyDead = identity;
    this.poke();
  }

  /** Looks at the Lease now and takes it if it may be taken; a little later while writes are refused. */
  poke(): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    const { scheduler } = this.#options;
    const wait = this.#notBefore - scheduler.now();
    if (wait > 0) {
      if (this.#delayed) return;
      this.#delayed = true;
      scheduler.after(wait, () => {
        this.#delayed = false;
        this.#again = true;
        this.poke();
      });
      return;
    }
    this.#busy = true;
    this.#busySince = scheduler.now();
    this.#step()
      .catch((error: unknown) => {
        this.#options.logger.debug("controller lease not reached", { error: String(error) });
      })
      .finally(() => {
        this.#busy = false;
        if (!this.#again) return;
        this.#again = false;
        this.poke();
      })
      .catch(() => undefined);
  }

  #accepted(): void {
    this.#backoff.reset();
    this.#notBefore = -Infinity;
  }

  /** Gives the Lease back, so that another broker can take it at once. */
  async release(): Promise<void> {
    this.#stopped = true;
    const observed = this.#observed;
    if (!this.held || observed === undefined) return;
    this.#heldUntil = -Infinity;
    const { kube, namespace } = this.#options;
    await kube.replace(leases, namespace, {
      ...observed.lease,
      spec: { ...observed.lease.spec, holderIdentity: "" },
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#heldUntil = -Infinity;
  }

  #tick(): void {
    if (this.#stopped) return;
    const { scheduler } = this.#options;
    const now = scheduler.now();
    const due = this.#attemptedAt + (this.held ? RENEW_MS : ATTEMPT_MS);
    if (now >= due && (this.held || this.#isWorthReading())) {
      this.#attemptedAt = now;
      this.poke();
    }
    if (this.#busy && now - this.#busySince >= RENEW_MS) {
      this.#busySince = now;
      this.#lookAfterHolder();
    }
    scheduler.after(LOOK_MS, () => {
      this.#tick();
    });
  }

  /**
   * A call that is never answered is given up after many seconds, and a watch may bring nothing: a former controller that
   * waits for its renewal meanwhile, and does not know of its successor, would undo what that one decides, and it in turn.
   */
  #lookAfterHolder(): void {
    const { kube, namespace, name, logger } = this.#options;
    kube.get(leases, namespace, name).then(
      (lease) => {
        if (!this.#stopped) this.#absorb(lease);
      },
      (error: unknown) => {
        logger.debug("controller lease not read", { error: String(error) });
      },
    );
  }

  /** By what was observed last: a reason to read again and then, perhaps, to take it. */
  #isWorthReading(): boolean {
    return this.#claim() !== "none";
  }

  /** @param readAt when the read was sent that what is observed comes from */
  #mayTake(readAt: Millis): boolean {
    const claim = this.#claim();
    if (claim !== "patient") return claim === "free";
    return this.#foundAt !== undefined && readAt - this.#foundAt >= PATIENCE_MS;
  }

  /** "patient": the holder does its work as far as is known here, and does not renew. */
  #claim(): "none" | "free" | "patient" {
    const observed = this.#observed;
    if (observed === undefined) return "free";
    const identity = observed.lease.spec?.holderIdentity ?? "";
    const holder = parseHolder(identity);
    if (holder === undefined || identity === this.#provablyDead) return "free";
    if (identity === holderIdentity(this.#options.self) || this.#options.superseded(holder))
      return "free";
    const duration = (observed.lease.spec?.leaseDurationSeconds ?? DURATION_SECONDS) * 1000;
    const age = this.#options.scheduler.now() - observed.since;
    const { sessionTimeoutMs } = this.#options;
    const silence = this.#options.silence(holder);
    if (silence !== undefined && silence >= sessionTimeoutMs) {
      return age >= Math.min(duration, sessionTimeoutMs) ? "free" : "none";
    }
    if (age < duration) return "none";
    return silence === undefined ? "free" : "patient";
  }

  async #step(): Promise<void> {
    const { kube, namespace, name, self, scheduler } = this.#options;
    const wasHeld = this.held;
    const startedAt = scheduler.now();
    if (!wasHeld || this.#observed === undefined || this.#again) {
      this.#again = false;
      const read = await this.#read(name).catch((error: unknown) => {
        this.#foundAt = undefined;
        throw error;
      });
      if (read === undefined) return;
      this.#absorb(read);
      this.#foundAt ??= scheduler.now();
      if (!this.#mayTake(startedAt)) return;
    }
    const current = this.#observed;
    if (current === undefined || this.#stopped) return;
    const now = microTime(scheduler.wallNow());
    const mine = current.lease.spec?.holderIdentity === holderIdentity(self);
    try {
      const written = await kube.replace(leases, namespace, {
        ...current.lease,
        spec: {
          ...current.lease.spec,
          holderIdentity: holderIdentity(self),
          leaseDurationSeconds: DURATION_SECONDS,
          renewTime: now,
          ...(mine
            ? {}
            : {
                acquireTime: now,
                leaseTransitions: (current.lease.spec?.leaseTransitions ?? 0) + 1,
              }),
        },
      });
      this.#accepted();
      // Another may have written it since, and be known already.
      const { uid, resourceVersion } = written.metadata;
      const known = this.#observed?.lease.metadata;
      if (known?.uid === uid && isOlderVersion(resourceVersion, known?.resourceVersion)) return;
      // Counted from before the write left: another may count its own duration from when it saw it.
      this.#heldUntil = startedAt + DURATION_SECONDS * 1000;
      this.#observed = { lease: written, since: scheduler.now() };
      this.#report();
    } catch (error) {
      if (!(error instanceof ConflictError) && !(error instanceof NotFoundError)) throw error;
      // Somebody else has written it: read again and see who.
      this.#heldUntil = -Infinity;
      this.#again = true;
      this.#notBefore = scheduler.now() + this.#backoff.failed();
    }
  }

  async #read(name: string): Promise<Lease | undefined> {
    const { kube, namespace, clusterName } = this.#options;
    try {
      return await kube.get(leases, namespace, name);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    const owner = await clusterOwner(kube, namespace, clusterName);
    try {
      return await kube.create(leases, namespace, {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: {
          name,
          namespace,
          labels: { [CLUSTER_LABEL]: clusterName },
          ownerReferences: [owner],
        },
        spec: { holderIdentity: "", leaseDurationSeconds: DURATION_SECONDS },
      });
    } catch (error) {
      if (error instanceof AlreadyExistsError) return undefined;
      throw error;
    }
  }

  #report(): void {
    this.#options.onHolder(parseHolder(this.#observed?.lease.spec?.holderIdentity));
  }
}
