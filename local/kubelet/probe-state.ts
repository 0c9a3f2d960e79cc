import { SECOND } from "../../lib/units.ts";
import type { Millis } from "../../lib/units.ts";
import type { Probe } from "../workloads.ts";

export type ProbeKind = "startup" | "readiness" | "liveness";

/** How often something that is awaited is asked for, which takes a millisecond; Kubernetes' own smallest period is a second. */
const EAGER: Millis = 20;
/**
 * Failures must last this long before a process is killed for them, whatever its probe says: a debugger, a suspended
 * laptop or a test that freezes a broker must not cost it its life.
 */
const LEAST_UNTIL_KILL: Millis = 30 * SECOND;

/** One probe of one run of a container (core): when to ask, and what the answers mean. */
export class ProbeState {
  readonly kind: ProbeKind;
  readonly #probe: Probe | undefined;
  readonly #startedAt: Millis;
  #nextAt: Millis | undefined;
  #inFlight = false;
  #failures = 0;
  #failingSince: Millis | undefined;
  #passed = false;

  constructor(kind: ProbeKind, probe: Probe | undefined, now: Millis) {
    this.kind = kind;
    this.#probe = probe;
    this.#startedAt = now;
    if (probe === undefined) {
      this.#passed = true;
      return;
    }
    // A readiness or startup probe that is asked too early only fails; a liveness probe may kill.
    this.#nextAt = kind === "liveness" ? now + seconds(probe.initialDelaySeconds, 0) : now;
  }

  /** Whether the last word was a success; a failing one counts only when it has failed often enough in a row. */
  get passed(): boolean {
    return this.#passed;
  }

  /** When the probe is to be sent next; undefined while one is under way, or when there is none. */
  get dueAt(): Millis | undefined {
    return this.#inFlight || (this.kind === "startup" && this.#passed) ? undefined : this.#nextAt;
  }

  get timeoutMs(): Millis {
    return seconds(this.#probe?.timeoutSeconds, 1);
  }

  sent(): void {
    this.#inFlight = true;
  }

  answered(ok: boolean, now: Millis): void {
    this.#inFlight = false;
    if (ok) {
      this.#failures = 0;
      this.#failingSince = undefined;
      this.#passed = true;
    } else {
      this.#failures++;
      this.#failingSince ??= now;
      if (this.#failures >= this.#threshold) this.#passed = false;
    }
    const eager = this.kind !== "liveness" && !this.#passed;
    this.#nextAt = now + (eager ? EAGER : this.#periodMs);
  }

  /** Whether the process must be killed for its failures. */
  condemns(now: Millis): boolean {
    if (this.kind === "readiness" || this.#passed || this.#failures < this.#threshold) return false;
    const window = Math.max(LEAST_UNTIL_KILL, this.#threshold * this.#periodMs);
    const since = this.kind === "startup" ? this.#startedAt : (this.#failingSince ?? now);
    return now - since >= window;
  }

  get #periodMs(): Millis {
    return seconds(this.#probe?.periodSeconds, 10);
  }

  get #threshold(): number {
    return this.#probe?.failureThreshold ?? 3;
  }
}

function seconds(value: number | undefined, fallback: number): Millis {
  return (value ?? fallback) * SECOND;
}
