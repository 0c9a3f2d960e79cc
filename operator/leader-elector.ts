import { leases } from "../cluster/resources.ts";
import type { KubeApi } from "../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../kube/errors.ts";
import type { Lease } from "../kube/objects.ts";
import type { Scheduler, Timer } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { Election, RENEW_DEADLINE, RETRY_EVERY, type ElectionStep } from "./election.ts";

export interface LeaderElectorOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Unique to this process, also among former lives of its pod. */
  readonly identity: string;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** This process leads from now on. Called once. */
  readonly onLeading: () => void;
  /** It does not any more: what it has begun is to be stopped. Called once, and not after `stop`. */
  readonly onLost: () => void;
}

/** Carries out an `Election` against the API: one Lease, one call at a time (edge). */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #election: Election;
  #timer: Timer | undefined;
  #deadline: Timer | undefined;
  #led = false;
  #ended = false;
  #busy: Promise<void> | undefined;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#election = new Election(options.identity);
  }

  /** Looked at before each write: a process that was frozen must not act on waking. */
  get leading(): boolean {
    return this.#election.leads(this.#options.scheduler.now());
  }

  /** The Lease has been seen: this process leads, or knows who does. */
  get settled(): boolean {
    return this.#election.holder !== undefined;
  }

  start(): void {
    this.#turn();
  }

  /** Gives the Lease back if it is held. What was on its way is waited for, so that it cannot take it again. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#end();
    await this.#busy;
    const { kube, namespace, scheduler, logger } = this.#options;
    const given = this.#election.release(scheduler.now());
    if (given === undefined) return;
    try {
      await kube.replace(leases, namespace, given);
    } catch (error) {
      logger.debug("the lease was not given back", { error: String(error) });
    }
  }

  #end(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#deadline?.cancel();
  }

  #turn(): void {
    if (this.#ended) return;
    const { scheduler } = this.#options;
    const step = this.#election.next(scheduler.now(), scheduler.wallNow());
    switch (step.kind) {
      case "lost":
        this.#lose();
        return;
      case "wait":
        this.#timer = scheduler.after(step.delay, () => {
          this.#turn();
        });
        return;
      case "read":
      case "write":
        this.#busy = this.#call(step).then(() => {
          this.#turn();
        });
    }
  }

  async #call(step: Extract<ElectionStep, { kind: "read" | "write" }>): Promise<void> {
    const { scheduler, logger, kube, namespace } = this.#options;
    const sentAt = scheduler.now();
    try {
      if (step.kind === "read") {
        const lease = await this.#read();
        if (lease === undefined) this.#election.conflicted(scheduler.now());
        else this.#election.read(lease, scheduler.now());
        return;
      }
      const lease = { ...step.from, spec: step.spec };
      const written = await kube.replace(leases, namespace, lease, { deadline: RETRY_EVERY });
      this.#election.written(written, sentAt, scheduler.now());
      this.#renewed();
    } catch (error) {
      if (error instanceof ConflictError || error instanceof NotFoundError) {
        this.#election.conflicted(scheduler.now());
        return;
      }
      logger.warn("the lease was not reached", { error: String(error) });
      this.#election.failed(scheduler.now());
    }
  }

  async #read(): Promise<Lease | undefined> {
    const { kube, namespace, name } = this.#options;
    try {
      return await kube.get(leases, namespace, name);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    try {
      return await kube.create(leases, namespace, {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name, namespace },
        spec: { holderIdentity: "" },
      });
    } catch (error) {
      if (error instanceof AlreadyExistsError) return undefined;
      throw error;
    }
  }

  /** The end of leading has a timer of its own: a call that hangs must not put it off. */
  #renewed(): void {
    if (this.#ended) return;
    const { scheduler, logger, onLeading, identity } = this.#options;
    this.#deadline?.cancel();
    const until = this.#election.heldUntil ?? 0;
    this.#deadline = scheduler.after(until - scheduler.now(), () => {
      this.#lose();
    });
    if (this.#led) return;
    this.#led = true;
    logger.info("leading", { identity });
    onLeading();
  }

  #lose(): void {
    if (this.#ended) return;
    this.#end();
    this.#options.logger.error("the lease is lost: acting no more", {
      holder: this.#election.holder,
      renewDeadlineMs: RENEW_DEADLINE,
    });
    this.#options.onLost();
  }
}
