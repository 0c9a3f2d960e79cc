import type { EpochMillis, Millis } from "../../lib/units.ts";
import { rfc3339 } from "../workloads.ts";
import type { Container, ContainerState } from "../workloads.ts";
import { ProbeState } from "./probe-state.ts";
import type { ProbeKind } from "./probe-state.ts";
import { RestartBackoff } from "./restart-backoff.ts";

export type LifecycleEvent =
  | { readonly kind: "spawned" }
  /** It could not be started: `retry` ms later it is tried again. */
  | {
      readonly kind: "notStarted";
      readonly reason: string;
      readonly message: string;
      readonly retry: Millis;
    }
  | { readonly kind: "exited"; readonly exitCode: number; readonly signal: number | undefined }
  | {
      readonly kind: "probed";
      readonly run: number;
      readonly probe: ProbeKind;
      readonly ok: boolean;
      readonly message: string;
    }
  /** The pod ends: `grace` ms after SIGTERM it is killed. */
  | { readonly kind: "terminate"; readonly grace: Millis }
  | { readonly kind: "tick" };

export type LifecycleEffect =
  /** Start the process; answered by `spawned` or `notStarted`. */
  | { readonly kind: "spawn" }
  | { readonly kind: "signal"; readonly signal: "SIGTERM" | "SIGKILL" }
  /** Ask the process; answered by `probed` with the same run. */
  | {
      readonly kind: "probe";
      readonly run: number;
      readonly probe: ProbeKind;
      readonly timeoutMs: Millis;
    }
  /** What `view` shows has changed. */
  | { readonly kind: "publish" }
  /** For people: a Kubernetes Event. */
  | {
      readonly kind: "event";
      readonly type: "Normal" | "Warning";
      readonly reason: string;
      readonly message: string;
    }
  /** The pod has ended and no process of it is left. */
  | { readonly kind: "gone" };

/** What the API shows of the container. */
export interface ContainerView {
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly restartCount: number;
  readonly started: boolean;
  readonly ready: boolean;
}

type Phase = "waiting" | "starting" | "running" | "killing" | "terminating" | "gone";

/**
 * One container of a pod from its first start to its end (core; Kubernetes concept "Pod Lifecycle", restart policy
 * Always): restarts with back-off, probes, graceful termination. No process, timer or socket: see `LifecycleEffect`.
 */
export class ContainerLifecycle {
  readonly #container: Container;
  readonly #killGrace: Millis;
  readonly #backoff = new RestartBackoff();
  #phase: Phase = "waiting";
  #state: ContainerState = { waiting: { reason: "ContainerCreating" } };
  #lastState: ContainerState = {};
  #restartCount: number;
  #run = 0;
  #spawnAt: Millis | undefined;
  #killAt: Millis | undefined;
  #startedAt: Millis = 0;
  #startedWall: EpochMillis = 0;
  #probes: readonly ProbeState[] = [];

  /**
   * @param killGrace between SIGTERM and SIGKILL when a probe condemns the process
   * @param before what was published of it by an earlier kubelet, if any
   */
  constructor(
    container: Container,
    now: Millis,
    killGrace: Millis,
    before?: { readonly restartCount: number; readonly lastState: ContainerState },
  ) {
    this.#container = container;
    this.#killGrace = killGrace;
    this.#restartCount = before === undefined ? 0 : before.restartCount;
    this.#lastState = before?.lastState ?? {};
    this.#spawnAt = now;
  }

  view(): ContainerView {
    const startup = this.#probes.find(({ kind }) => kind === "startup");
    const readiness = this.#probes.find(({ kind }) => kind === "readiness");
    const up = this.#phase === "running";
    const started = up && startup?.passed === true;
    return {
      state: this.#state,
      lastState: this.#lastState,
      restartCount: this.#restartCount,
      started,
      ready: started && readiness?.passed === true,
    };
  }

  /** Monotonic ms of the next `tick`; undefined when nothing is due until an event comes. */
  get dueAt(): Millis | undefined {
    const due = [this.#spawnAt, this.#killAt];
    if (this.#phase === "running") due.push(...this.#activeProbes().map(({ dueAt }) => dueAt));
    const times = due.filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** @param now monotonic @param wall for the times that people see @returns effects, in order */
  step(event: LifecycleEvent, now: Millis, wall: EpochMillis): readonly LifecycleEffect[] {
    switch (event.kind) {
      case "spawned":
        return this.#spawned(now, wall);
      case "notStarted":
        return this.#notStarted(event.reason, event.message, now + event.retry);
      case "exited":
        return this.#exited(event.exitCode, event.signal, now, wall);
      case "probed":
        return this.#probed(event, now);
      case "terminate":
        return this.#terminate(now + event.grace);
      case "tick":
        return this.#tick(now);
    }
  }

  #spawned(now: Millis, wall: EpochMillis): LifecycleEffect[] {
    this.#run++;
    this.#startedAt = now;
    this.#startedWall = wall;
    this.#state = { running: { startedAt: rfc3339(wall) } };
    const { startupProbe, readinessProbe, livenessProbe } = this.#container;
    this.#probes = [
      new ProbeState("startup", startupProbe, now),
      new ProbeState("readiness", readinessProbe, now),
      new ProbeState("liveness", livenessProbe, now),
    ];
    const started: LifecycleEffect[] = [
      { kind: "publish" },
      { kind: "event", type: "Normal", reason: "Started", message: `Started ${this.#name}` },
    ];
    if (this.#phase === "terminating") {
      // It was being started when the pod was deleted.
      return [...started, { kind: "signal", signal: "SIGTERM" }];
    }
    this.#phase = "running";
    return [...started, ...this.#tick(now)];
  }

  #notStarted(reason: string, message: string, retryAt: Millis): LifecycleEffect[] {
    if (this.#phase === "terminating") return this.#end();
    this.#phase = "waiting";
    this.#spawnAt = retryAt;
    const known = this.#state.waiting;
    if (known?.reason === reason && known.message === message) return [];
    this.#state = { waiting: { reason, message } };
    return [{ kind: "publish" }];
  }

  #exited(
    exitCode: number,
    signal: number | undefined,
    now: Millis,
    wall: EpochMillis,
  ): LifecycleEffect[] {
    const terminated: ContainerState = {
      terminated: {
        exitCode,
        ...(signal === undefined ? {} : { signal }),
        reason: exitCode === 0 ? "Completed" : "Error",
        startedAt: rfc3339(this.#startedWall),
        finishedAt: rfc3339(wall),
      },
    };
    this.#killAt = undefined;
    if (this.#phase === "terminating") {
      this.#state = terminated;
      return this.#end();
    }
    const delay = this.#backoff.ended(now - this.#startedAt);
    this.#phase = "waiting";
    this.#lastState = terminated;
    this.#restartCount++;
    this.#spawnAt = now + delay;
    const how = signal === undefined ? `exit code ${String(exitCode)}` : `signal ${String(signal)}`;
    const ended: LifecycleEffect = {
      kind: "event",
      type: "Warning",
      reason: "Died",
      message: `${this.#name} ended with ${how}`,
    };
    if (delay === 0) {
      this.#state = terminated;
      return [{ kind: "publish" }, ended];
    }
    const message = `back-off ${String(delay / 1000)}s restarting failed ${this.#name}`;
    this.#state = { waiting: { reason: "CrashLoopBackOff", message } };
    return [
      { kind: "publish" },
      ended,
      { kind: "event", type: "Warning", reason: "BackOff", message },
    ];
  }

  #probed(
    event: Extract<LifecycleEvent, { readonly kind: "probed" }>,
    now: Millis,
  ): LifecycleEffect[] {
    const probe = this.#probes.find(({ kind }) => kind === event.probe);
    // An answer of the process before the present one says nothing about this one.
    if (event.run !== this.#run || this.#phase !== "running" || probe === undefined) return [];
    const before = this.view();
    probe.answered(event.ok, now);
    const after = this.view();
    const effects: LifecycleEffect[] = [];
    if (before.ready !== after.ready || before.started !== after.started) {
      effects.push({ kind: "publish" });
      if (before.ready && !after.ready) {
        effects.push({
          kind: "event",
          type: "Warning",
          reason: "Unhealthy",
          message: `Readiness probe failed: ${event.message}`,
        });
      }
    }
    if (probe.condemns(now)) {
      this.#phase = "killing";
      this.#killAt = now + this.#killGrace;
      effects.push(
        {
          kind: "event",
          type: "Warning",
          reason: "Unhealthy",
          message: `${event.probe === "startup" ? "Startup" : "Liveness"} probe failed: ${event.message}`,
        },
        { kind: "publish" },
        { kind: "signal", signal: "SIGTERM" },
      );
      return effects;
    }
    return [...effects, ...this.#tick(now)];
  }

  #terminate(killAt: Millis): LifecycleEffect[] {
    this.#spawnAt = undefined;
    switch (this.#phase) {
      case "waiting":
        return this.#end();
      case "terminating":
      case "killing":
        // A second deletion may only shorten the grace.
        this.#killAt = Math.min(this.#killAt ?? killAt, killAt);
        this.#phase = "terminating";
        return [{ kind: "publish" }];
      case "starting":
        this.#phase = "terminating";
        this.#killAt = killAt;
        return [];
      case "running":
        this.#phase = "terminating";
        this.#killAt = killAt;
        return [
          { kind: "publish" },
          { kind: "event", type: "Normal", reason: "Killing", message: `Stopping ${this.#name}` },
          { kind: "signal", signal: "SIGTERM" },
        ];
      case "gone":
        return [];
    }
  }

  #tick(now: Millis): LifecycleEffect[] {
    const effects: LifecycleEffect[] = [];
    if (this.#spawnAt !== undefined && this.#spawnAt <= now && this.#phase === "waiting") {
      this.#spawnAt = undefined;
      this.#phase = "starting";
      effects.push({ kind: "spawn" });
    }
    if (this.#killAt !== undefined && this.#killAt <= now) {
      this.#killAt = undefined;
      effects.push({ kind: "signal", signal: "SIGKILL" });
    }
    if (this.#phase === "running") {
      for (const probe of this.#activeProbes()) {
        if (probe.dueAt === undefined || probe.dueAt > now) continue;
        probe.sent();
        const { kind, timeoutMs } = probe;
        effects.push({ kind: "probe", run: this.#run, probe: kind, timeoutMs });
      }
    }
    return effects;
  }

  /** Until the startup probe has passed, it is the only one. */
  #activeProbes(): readonly ProbeState[] {
    const startup = this.#probes.find(({ kind }) => kind === "startup");
    if (startup !== undefined && !startup.passed) return [startup];
    return this.#probes.filter(({ kind }) => kind !== "startup");
  }

  #end(): LifecycleEffect[] {
    this.#phase = "gone";
    this.#killAt = undefined;
    return [{ kind: "publish" }, { kind: "gone" }];
  }

  get #name(): string {
    return `container ${this.#container.name}`;
  }
}
