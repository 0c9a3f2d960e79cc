import type { BrokerEndpoint, BrokerId } from "../../cluster/broker.ts";
import { type ElectionRules, initialState } from "../../cluster/partition-change.ts";
import { NO_LEADER } from "../../cluster/partition-slice.ts";
import type { KubeApi } from "../../kube/api.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { RecordedPartition } from "../metadata/partition-records.ts";
import { NOTHING_SEEN, type NewestVersions } from "../metadata/stale-watch.ts";
import type { Network } from "../network/frame-channel.ts";
import type { LeadershipStore } from "../replication/leadership-store.ts";
import { BrokerStates } from "./broker-states.ts";
import { BrokerSessions } from "./broker-sessions.ts";
import { electionStep, isSettled, preferenceStep } from "./elections.ts";
import { ShardRecords } from "./shard-records.ts";

export interface ControllerOptions {
  readonly self: BrokerId;
  readonly ownEpoch: number;
  readonly clusterName: string;
  readonly namespace: string;
  readonly kube: KubeApi;
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly sessionTimeoutMs: Millis;
  /** Between two heartbeats of a broker. */
  readonly heartbeatIntervalMs: Millis;
  /** A returned broker leads its preferred partitions again after this long. */
  readonly leaderSettleMs: Millis;
  readonly endpoint: (id: BrokerId) => BrokerEndpoint | undefined;
  /** min.insync.replicas and unclean.leader.election.enable of a partition's topic. */
  readonly topicRules: (record: RecordedPartition) => {
    readonly minInSyncReplicas: number;
    readonly unclean: boolean;
  };
  /** A majority of the running brokers was heard at that time (R7). */
  readonly onMajority: (at: Millis) => void;
  /** When this broker itself last heard a process that was the controller before; undefined for any other. */
  readonly heardAt: (id: BrokerId, epoch: number) => Millis | undefined;
  /** This broker itself has been in touch within the session timeout. */
  readonly inTouch: () => boolean;
  readonly panic: (error: unknown) => never;
}

export interface HeartbeatAnswer {
  /**
   * "out-of-touch": the controller hears neither the API nor a majority, so hearing it proves nothing. "resigned": it
   * stops, and its Lease is free whatever the API says of it.
   */
  readonly errorCode: "none" | "not-controller" | "resigned" | "stale-epoch" | "out-of-touch";
  readonly isFenced: boolean;
  /** False: leaderships may have moved while the broker was taken for dead, and it has not read the state since. */
  readonly isCaughtUp: boolean;
  readonly shouldShutDown: boolean;
  /** What any broker has told of. */
  readonly newest: NewestVersions;
}

const TICK_MS = 100;
const PREFER_EVERY_MS = 1000;
const TIDY_EVERY_MS = 10_000;
const PROBE_TIMEOUT_MS = 500;

/**
 * The work of the broker that holds the Lease: sessions, elections, the records of new partitions, broker states. It
 * decides level-based, from the image and the sessions; each decision is a compare-and-swap (docs/invariants.md C8).
 */
export class Controller {
  readonly #options: ControllerOptions;
  #sessions: BrokerSessions;
  #active = false;
  #stopped = false;
  #resigned = false;
  /** A sweep is planned for the end of this turn, of what has changed or of all partitions. */
  #sweepPlanned = false;
  #sweepAll = false;
  readonly #changedRecords = new Map<string, RecordedPartition>();
  /** Partitions whose change is on its way. */
  readonly #inFlight = new Set<string>();
  readonly #records: ShardRecords;
  readonly #states: BrokerStates;
  /** Whom a connection is tried to. */
  readonly #probing = new Set<BrokerId>();
  #preferredAt: Millis = 0;
  #tidiedAt: Millis = 0;
  #tickedAt: Millis = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#sessions = new BrokerSessions(options.sessionTimeoutMs);
    this.#records = new ShardRecords({
      ...options,
      active: () => this.#active,
      initial: (record) => initialState(record.placement, this.#rules(record)),
    });
    this.#states = new BrokerStates({
      ...options,
      onDraining: () => {
        if (this.#active) this.#planSweep(true);
      },
    });
    options.image.onPartitions((changed) => {
      if (!this.#active) return;
      for (const record of changed) this.#changedRecords.set(record.key, record);
      this.#planSweep(false);
    });
    options.image.onChange(() => {
      if (this.#active) this.#planSweep(false);
    });
  }

  get active(): boolean {
    return this.#active;
  }

  start(): void {
    this.#tickedAt = this.#options.scheduler.now();
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
    this.#active = false;
  }

  /**
   * This broker is, or is no longer, the last known holder of the Lease. A Lease that cannot be renewed because the API
   * is away does not end it: heartbeats go on to be answered, and what it decides is refused if it is outdated (C8).
   */
  setActive(active: boolean): void {
    if (active === this.#active || this.#stopped || (active && this.#resigned)) return;
    this.#active = active;
    const { scheduler, image, self, ownEpoch, logger } = this.#options;
    if (!active) {
      logger.info("no longer the controller");
      return;
    }
    logger.info("controller", { brokerEpoch: ownEpoch });
    const now = scheduler.now();
    this.#sessions = new BrokerSessions(this.#options.sessionTimeoutMs);
    for (const broker of image.brokers.values()) {
      if (broker.id === self) continue;
      // A controller that fell silent is not given another timeout.
      const heardAt = this.#options.heardAt(broker.id, broker.epoch) ?? now;
      this.#sessions.grant(broker.id, broker.epoch, !broker.fenced, now, heardAt);
      if (!broker.fenced) this.probe(broker.id, broker.epoch);
    }
    this.#sessions.heard(self, ownEpoch, false, now);
    this.#expire(now);
    this.#planSweep(true);
  }

  /** It stops, and others who may lead the partitions are there: whoever asks is told to take the Lease. */
  resign(): void {
    this.#resigned = true;
    this.setActive(false);
  }

  /** A broker's heartbeat on the internal listener; also this broker's own wish to stop. */
  heartbeat(
    id: BrokerId,
    epoch: number,
    wantsToStop: boolean,
    reads = 0,
    newest = NOTHING_SEEN,
  ): HeartbeatAnswer {
    this.#options.image.heardOf(newest);
    if (!this.#active) return this.#refusal(this.#resigned ? "resigned" : "not-controller");
    const { scheduler, image, logger } = this.#options;
    const now = scheduler.now();
    if (epoch < (image.brokers.get(id)?.epoch ?? -1)) return this.#refusal("stale-epoch");
    const heard = this.#sessions.heard(id, epoch, wantsToStop, now, reads);
    if (heard === "stale") return this.#refusal("stale-epoch");
    if (heard === "changed") {
      logger.info("broker session", { broker: id, epoch, draining: wantsToStop });
      this.#planSweep(true);
    }
    this.#countMajority(now);
    return {
      errorCode: this.#options.inTouch() ? "none" : "out-of-touch",
      isFenced: image.brokers.get(id)?.fenced ?? true,
      isCaughtUp: !this.#sessions.behind(id),
      shouldShutDown: wantsToStop && this.#drained(id),
      newest: image.newest,
    };
  }

  #refusal(errorCode: HeartbeatAnswer["errorCode"]): HeartbeatAnswer {
    const { newest } = this.#options.image;
    return {
      errorCode,
      isFenced: true,
      isCaughtUp: true,
      shouldShutDown: false,
      newest,
    };
  }

  #countMajority(now: Millis): void {
    const { image, self, onMajority } = this.#options;
    const running = [...image.brokers.values()].filter((one) => !one.fenced || one.id === self);
    onMajority(
      this.#sessions.majorityHeardAt(
        running.map((one) => one.id),
        self,
        now,
      ),
    );
  }

  /** The heartbeat connection of a broker broke: if another is refused, its process is gone. */
  probe(id: BrokerId, epoch: number): void {
    if (!this.#active || !this.#sessions.alive(id)) return;
    const { network, logger, image } = this.#options;
    const endpoint = this.#options.endpoint(id);
    // What is refused at the address of its process of before says nothing of this one.
    if (endpoint === undefined || image.brokers.get(id)?.epoch !== epoch) return;
    this.#probing.add(id);
    network
      .connect(
        endpoint.host,
        endpoint.port,
        { onFrame: () => undefined, onClose: () => undefined },
        { timeout: PROBE_TIMEOUT_MS, maxFrameBytes: 1024 },
      )
      .then(
        (channel) => {
          this.#probing.delete(id);
          channel.close();
        },
        (error: unknown) => {
          this.#probing.delete(id);
          if ((error as { code?: unknown }).code !== "ECONNREFUSED") return;
          if (!this.#active || !this.#sessions.lost(id, epoch)) return;
          logger.warn("broker is gone", { broker: id, epoch });
          this.#planSweep(true);
        },
      );
  }

  #rules(record: RecordedPartition): ElectionRules {
    return {
      ...this.#options.topicRules(record),
      alive: (id) => this.#sessions.alive(id),
      eligible: (id) => this.#sessions.eligible(id),
    };
  }

  /** Nothing is led by the broker that could be led by another, and nobody waits for its fetches who need not. */
  #drained(id: BrokerId): boolean {
    const step = electionStep;
    for (const record of this.#options.image.partitions()) {
      if (record.state?.leader !== id && record.state?.isr.includes(id) !== true) continue;
      if (this.#inFlight.has(record.key)) return false;
      if (step(this.#rules(record), [id])(record.state, record.placement) !== undefined)
        return false;
    }
    return true;
  }

  #tick(): void {
    if (this.#stopped) return;
    const { scheduler } = this.#options;
    const now = scheduler.now();
    // Timers come before what the sockets have, so a late one is no sign that nothing was sent.
    const late = now - this.#tickedAt - TICK_MS;
    if (late > TICK_MS) this.#sessions.wasDeaf(late);
    this.#tickedAt = now;
    if (this.#active) {
      this.#countMajority(now);
      this.#expire(now);
      this.#probeSilent(now);
      if (now - this.#preferredAt >= PREFER_EVERY_MS) {
        this.#preferredAt = now;
        this.#preferLeaders(now);
        if (now - this.#tidiedAt >= TIDY_EVERY_MS) {
          this.#tidiedAt = now;
          this.#records.tidy();
        }
        // Whatever was missed (a refused patch, a record seen late) is found here.
        this.#planSweep(true);
      }
    }
    scheduler.after(TICK_MS, () => {
      this.#tick();
    });
  }

  /** A process that is gone need not be waited for, whether or not it had a connection to this controller. */
  #probeSilent(now: Millis): void {
    const { self, heartbeatIntervalMs } = this.#options;
    for (const { id, epoch, state, lastHeard } of this.#sessions.all()) {
      if (id === self || state === "dead" || this.#probing.has(id)) continue;
      if (now - lastHeard > heartbeatIntervalMs + TICK_MS) this.probe(id, epoch);
    }
  }

  #expire(now: Millis): void {
    const { self, logger } = this.#options;
    const expired = this.#sessions.expire(now, self);
    if (expired.length === 0) return;
    logger.warn("brokers silent for the session timeout", { brokers: expired });
    this.#planSweep(true);
  }

  #planSweep(all: boolean): void {
    if (all) this.#sweepAll = true;
    if (this.#sweepPlanned) return;
    this.#sweepPlanned = true;
    this.#options.scheduler.soon(() => {
      this.#sweepPlanned = false;
      if (this.#active) this.#sweep();
    });
  }

  #sweep(): void {
    const { image, store, panic } = this.#options;
    this.#states.record(this.#sessions.all());
    // Recorded first: a leader that still reads "running" would let the broker into the ISR again.
    const draining = [...this.#sessions.all()]
      .filter(({ id, draining: wants }) => wants && image.brokers.get(id)?.state === "draining")
      .map(({ id }) => id);
    const alive = (id: BrokerId): boolean => this.#sessions.alive(id);
    for (const record of this.#takeChanged()) {
      if (!image.records.isInShard(record)) this.#records.add(record.shard);
      if (record.state === undefined) continue;
      if (draining.length === 0 && isSettled(record.state, record.placement, alive)) continue;
      const { key } = record;
      if (this.#inFlight.has(key)) continue;
      const step = electionStep(this.#rules(record), draining);
      if (step(record.state, record.placement) === undefined) continue;
      this.#inFlight.add(key);
      store
        // Decided again from the sessions of that time, and only while this broker is the controller.
        .update(
          record,
          (state, placement) =>
            this.#active
              ? electionStep(this.#rules(record), draining)(state, placement)
              : undefined,
          // Before those that only lose a follower.
          !alive(record.state.leader),
        )
        .then(() => {
          this.#inFlight.delete(key);
          if (!this.#active) return;
          this.#changedRecords.set(key, record);
          this.#planSweep(false);
        })
        .catch((error: unknown) => panic(error));
    }
  }

  /** Records to be looked at, as they are now. */
  #takeChanged(): readonly RecordedPartition[] {
    const { image } = this.#options;
    const changed = [...this.#changedRecords.values()];
    this.#changedRecords.clear();
    if (this.#sweepAll) {
      this.#sweepAll = false;
      return [...image.partitions()];
    }
    return changed.flatMap(({ topicId, partition }) => image.records.get(topicId, partition) ?? []);
  }

  #preferLeaders(now: Millis): void {
    const { image, store, leaderSettleMs, panic } = this.#options;
    const settledBroker = (id: BrokerId): boolean => {
      const session = this.#sessions.get(id);
      return (
        session?.state === "alive" &&
        !session.draining &&
        now - session.aliveSince >= leaderSettleMs
      );
    };
    for (const record of image.partitions()) {
      const { key } = record;
      if (record.state === undefined || record.state.leader === NO_LEADER) continue;
      if (record.state.leader === record.placement.replicas[0]) continue;
      const step = preferenceStep(this.#rules(record), settledBroker);
      if (this.#inFlight.has(key) || step(record.state, record.placement) === undefined) continue;
      this.#inFlight.add(key);
      store
        .update(record, (state, placement) => (this.#active ? step(state, placement) : undefined))
        .then(() => {
          this.#inFlight.delete(key);
        })
        .catch((error: unknown) => panic(error));
    }
  }
}
