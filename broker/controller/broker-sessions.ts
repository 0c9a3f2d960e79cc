import type { BrokerId } from "../../cluster/broker.ts";
import type { Millis } from "../../lib/units.ts";

/** How the controller sees one broker. */
export interface BrokerSession {
  readonly id: BrokerId;
  epoch: number;
  /** `alive`: heard within the timeout; `dead`: provably gone, or silent for the timeout. */
  state: "alive" | "dead";
  /** How often it has read the recorded state, as it last said. */
  reads: number;
  /** How often it must have before it is believed to know what was decided while it was taken for dead. */
  readsOwed: number;
  /** It asked to stop: it keeps what cannot move, and is given nothing new. */
  draining: boolean;
  lastHeard: Millis;
  /** How long nothing could be heard, of anybody, up to then. */
  deafBefore: Millis;
  /** When it last became alive: preferred leaders return some time after. */
  aliveSince: Millis;
}

/**
 * Who lives, as the controller has heard it (DESIGN.md §3, failure detection). Only a hint for elections: safety comes
 * from the recorded state. (core)
 */
export class BrokerSessions {
  readonly #timeoutMs: Millis;
  readonly #sessions = new Map<BrokerId, BrokerSession>();
  #deaf: Millis = 0;

  constructor(timeoutMs: Millis) {
    this.#timeoutMs = timeoutMs;
  }

  get(id: BrokerId): BrokerSession | undefined {
    return this.#sessions.get(id);
  }

  all(): Iterable<BrokerSession> {
    return this.#sessions.values();
  }

  alive(id: BrokerId): boolean {
    return this.#sessions.get(id)?.state === "alive";
  }

  /** Alive and not about to stop. */
  eligible(id: BrokerId): boolean {
    const session = this.#sessions.get(id);
    return session?.state === "alive" && !session.draining;
  }

  /** A new controller grants every broker that was running one timeout from `heardAt` on to make itself heard. */
  grant(id: BrokerId, epoch: number, running: boolean, now: Millis, heardAt: Millis): void {
    this.#sessions.set(id, {
      id,
      epoch,
      state: running ? "alive" : "dead",
      reads: 0,
      readsOwed: 0,
      draining: false,
      lastHeard: heardAt,
      deafBefore: this.#deaf,
      aliveSince: now,
    });
  }

  /**
   * A heartbeat came.
   * @param reads how often the broker says to have read the recorded state.
   * @returns "stale" when the epoch is older than one seen: a former process; "changed" when elections may have to
   * follow (the broker came, came anew, or wants to stop); else "same".
   */
  heard(
    id: BrokerId,
    epoch: number,
    wantsToStop: boolean,
    now: Millis,
    reads = 0,
  ): "stale" | "changed" | "same" {
    const session = this.#sessions.get(id);
    if (session !== undefined && epoch < session.epoch) return "stale";
    if (session?.epoch !== epoch || session.state === "dead") {
      this.#sessions.set(id, {
        id,
        epoch,
        state: "alive",
        reads,
        // A new process has read it; one that was taken for dead may still believe that it leads.
        readsOwed: session?.epoch === epoch ? reads + 1 : 0,
        draining: wantsToStop,
        lastHeard: now,
        deafBefore: this.#deaf,
        aliveSince: now,
      });
      return "changed";
    }
    session.lastHeard = now;
    session.deafBefore = this.#deaf;
    session.reads = reads;
    if (session.draining === wantsToStop) return "same";
    session.draining = wantsToStop;
    return "changed";
  }

  /** It was taken for dead, and has not read the recorded state since it was heard again. */
  behind(id: BrokerId): boolean {
    const session = this.#sessions.get(id);
    return session !== undefined && session.reads < session.readsOwed;
  }

  /** The broker's process is provably gone. @returns whether that is news. */
  lost(id: BrokerId, epoch: number): boolean {
    const session = this.#sessions.get(id);
    if (session?.state !== "alive" || session.epoch !== epoch) return false;
    session.state = "dead";
    return true;
  }

  /**
   * This process did not run for so long: what came meanwhile is not heard yet. Silence does not count for that time,
   * or a controller that was held up would take those for dead whose heartbeats lie in its sockets.
   */
  wasDeaf(duration: Millis): void {
    this.#deaf += duration;
  }

  /** @returns the brokers that have now been silent for the timeout. */
  expire(now: Millis, self: BrokerId): readonly BrokerId[] {
    const expired: BrokerId[] = [];
    for (const session of this.#sessions.values()) {
      if (session.id === self || session.state === "dead") continue;
      const deaf = this.#deaf - session.deafBefore;
      if (now - session.lastHeard - deaf > this.#timeoutMs) {
        session.state = "dead";
        expired.push(session.id);
      }
    }
    return expired;
  }

  forget(id: BrokerId): void {
    this.#sessions.delete(id);
  }

  /**
   * Since when a majority of `ids` has been heard, `self` counting as heard now; -Infinity when it never was.
   */
  majorityHeardAt(ids: Iterable<BrokerId>, self: BrokerId, now: Millis): Millis {
    const times: Millis[] = [];
    for (const id of ids) {
      const session = this.#sessions.get(id);
      times.push(id === self ? now : session?.state === "alive" ? session.lastHeard : -Infinity);
    }
    times.sort((a, b) => b - a);
    return times[Math.floor(times.length / 2)] ?? -Infinity;
  }
}
