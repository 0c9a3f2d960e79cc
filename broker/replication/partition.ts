import type { BrokerId } from "../../cluster/broker.ts";
import { NO_LEADER, type PartitionState } from "../../cluster/partition-slice.ts";
import { assert } from "../../lib/assert.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import type { AppendResult, EpochEnd, Offset, PartitionLog } from "../log/types.ts";
import type { RecordedPartition } from "../metadata/partition-records.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { Contact } from "./contact.ts";
import { divergence } from "./follower-replica.ts";
import { LeaderReplica } from "./leader-replica.ts";
import type { ReadableReplica } from "./read-replica.ts";
import type { FollowerFetch, HostedPartition } from "./types.ts";

/** An acks=all append that waits for the high watermark. */
interface CommitWait {
  readonly offset: Offset;
  readonly deadline: Millis;
  readonly resolve: () => void;
  readonly reject: (error: ProtocolError) => void;
}

/** What a partition needs of the broker around it. */
export interface PartitionContext {
  readonly self: BrokerId;
  readonly scheduler: Scheduler;
  readonly contact: Contact;
  /** Registered epoch of a broker as far as known, -1 if unknown. */
  readonly brokerEpoch: (id: BrokerId) => number;
  /** The high watermark, the log end or the role moved. */
  readonly onProgress: (partition: Partition) => void;
  /** A follower that is not in the ISR has fetched. */
  readonly onOutsider: (partition: Partition) => void;
  /** Somebody waits for records to be committed: `expire` is to be called until nobody does. */
  readonly onWaiting: (partition: Partition) => void;
}

/** One replica on this broker: its log and its present role. A thin shell around the cores. */
export class Partition implements HostedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly log: PartitionLog;
  record: RecordedPartition;
  minInSyncReplicas = 1;
  readonly #context: PartitionContext;
  /**
   * Leader epochs up to this one were recorded before this process registered, or have begun in the log already: a partition
   * whose record had gone for a while, with its slice, is opened anew by the same process (C3).
   */
  readonly #burnedEpoch: number;
  #leaderReplica: LeaderReplica | undefined;
  #following: { readonly leader: BrokerId; readonly leaderEpoch: number } | undefined;
  #waits: CommitWait[] = [];
  #closed = false;

  constructor(
    record: RecordedPartition,
    log: PartitionLog,
    burnedEpoch: number,
    context: PartitionContext,
  ) {
    this.topic = record.topic;
    this.topicId = record.topicId;
    this.partition = record.partition;
    this.record = record;
    this.log = log;
    this.#burnedEpoch = Math.max(burnedEpoch, log.latestEpoch);
    this.#context = context;
    log.onStable = () => {
      this.#onStable();
    };
  }

  get leader(): BrokerId {
    return this.record.state?.leader ?? NO_LEADER;
  }
  get leaderEpoch(): number {
    return this.record.state?.leaderEpoch ?? -1;
  }
  get isLeader(): boolean {
    return this.#leaderReplica !== undefined;
  }
  get leaderReplica(): LeaderReplica | undefined {
    return this.#leaderReplica;
  }
  /** The leader to fetch from, in its epoch; undefined while leading or while there is none. */
  get following(): { readonly leader: BrokerId; readonly leaderEpoch: number } | undefined {
    return this.#following;
  }
  get highWatermark(): Offset {
    return this.#leaderReplica?.highWatermark ?? this.log.highWatermark;
  }
  get highWatermarkLags(): boolean {
    const leader = this.#leaderReplica;
    return leader !== undefined && leader.highWatermark < leader.epochStartOffset;
  }
  get lastStableOffset(): Offset {
    return this.highWatermark;
  }
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes the role that the record gives to this broker. @returns what changed for the broker around it. */
  apply(
    record: RecordedPartition,
    minInSyncReplicas: number,
  ): "became-leader" | "lost-leadership" | "same" {
    const { self, scheduler } = this.#context;
    this.record = record;
    this.minInSyncReplicas = minInSyncReplicas;
    const state = record.state;
    const leads = state?.leader === self && state.leaderEpoch > this.#burnedEpoch;
    if (leads && this.#leaderReplica?.leaderEpoch === state.leaderEpoch) {
      const replicas = record.placement.replicas;
      const moved = this.#leaderReplica.onState(
        state,
        replicas,
        minInSyncReplicas,
        scheduler.now(),
      );
      this.#advanced(moved);
      return "same";
    }
    const led = this.#leaderReplica !== undefined;
    if (led) this.#stepDown();
    if (leads) {
      this.#lead(state, minInSyncReplicas);
      return "became-leader";
    }
    this.#following =
      state === undefined || state.leader === NO_LEADER || state.leader === self
        ? undefined
        : { leader: state.leader, leaderEpoch: state.leaderEpoch };
    return led ? "lost-leadership" : "same";
  }

  close(): void {
    this.#closed = true;
    if (this.#leaderReplica !== undefined) this.#stepDown();
    this.#following = undefined;
    this.log.onStable = undefined;
    this.#context.onProgress(this);
  }

  #lead(state: PartitionState, minInSyncReplicas: number): void {
    const { self, scheduler } = this.#context;
    const epochStartOffset = this.log.logEndOffset;
    assert(
      state.leaderEpoch > this.log.latestEpoch,
      "C2: a new leader's epoch is above all in its log",
    );
    this.log.assignEpoch(state.leaderEpoch, epochStartOffset);
    this.#following = undefined;
    this.#leaderReplica = new LeaderReplica({
      self,
      state,
      replicas: this.record.placement.replicas,
      minInSyncReplicas,
      highWatermark: Math.min(this.log.highWatermark, this.log.logEndOffset),
      stableOffset: this.log.stableOffset,
      epochStartOffset,
      now: scheduler.now(),
    });
    this.#advanced(this.#leaderReplica.onStable(this.log.stableOffset));
    this.#context.onProgress(this);
  }

  #stepDown(): void {
    this.#leaderReplica = undefined;
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) wait.reject(new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER));
    this.#context.onProgress(this);
  }

  /** The leader's state, if this broker leads and could not have been deposed unknowingly (R7). */
  requireLeader(): LeaderReplica {
    const leader = this.#leaderReplica;
    if (leader === undefined || !this.#context.contact.inTouch(this.#context.scheduler.now())) {
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    }
    return leader;
  }

  requireReplica(): void {
    if (this.#following === undefined) {
      this.requireLeader();
      return;
    }
    if (this.#closed || !this.#context.contact.inTouch(this.#context.scheduler.now())) {
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    }
  }

  readableFollowers(): Iterable<ReadableReplica> {
    return this.#leaderReplica?.readable() ?? [];
  }

  append(records: Uint8Array, acks: number, origin: "client" | "coordinator"): AppendResult {
    const leader = this.requireLeader();
    if (acks === -1 && !leader.enoughInSync) throw new ProtocolError(ErrorCode.NOT_ENOUGH_REPLICAS);
    const result = this.log.appendAsLeader(records, leader.leaderEpoch, origin);
    if (!result.duplicate) {
      // `replicated` durability is stable at once; otherwise the journal says so by onStable.
      if (this.log.stableOffset === this.log.logEndOffset) this.#onStable();
      this.#context.onProgress(this);
    }
    return result;
  }

  committed(offset: Offset, timeout: Millis): Promise<void> {
    const { scheduler, contact } = this.#context;
    if (this.#leaderReplica === undefined) {
      return Promise.reject(new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER));
    }
    if (this.#leaderReplica.highWatermark > offset) {
      return contact.inTouch(scheduler.now())
        ? Promise.resolve()
        : Promise.reject(new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER));
    }
    return new Promise((resolve, reject) => {
      this.#waits.push({ offset, deadline: scheduler.now() + timeout, resolve, reject });
      if (this.#waits.length === 1) this.#context.onWaiting(this);
    });
  }

  /**
   * Checks a follower's fetch and takes it as its acknowledgement of all before `fetchOffset` (R2).
   * @returns where the follower has to look for common ground, or undefined when it is on this history.
   * Throws FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, STALE_BROKER_EPOCH, OFFSET_OUT_OF_RANGE.
   */
  followerFetch(fetch: FollowerFetch): EpochEnd | undefined {
    const leader = this.requireLeader();
    if (fetch.currentLeaderEpoch < leader.leaderEpoch) {
      throw new ProtocolError(ErrorCode.FENCED_LEADER_EPOCH);
    }
    if (fetch.currentLeaderEpoch > leader.leaderEpoch) {
      throw new ProtocolError(ErrorCode.UNKNOWN_LEADER_EPOCH);
    }
    if (fetch.replicaEpoch < this.#context.brokerEpoch(fetch.replicaId)) {
      throw new ProtocolError(ErrorCode.STALE_BROKER_EPOCH);
    }
    if (fetch.fetchOffset < this.log.logStartOffset) {
      throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    const diverging = divergence(fetch.lastFetchedEpoch, fetch.fetchOffset, (epoch) =>
      this.log.endOfEpoch(epoch),
    );
    if (diverging !== undefined) return diverging;
    if (fetch.fetchOffset > this.log.logEndOffset) {
      throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    const moved = leader.onFollowerFetch(
      fetch.replicaId,
      fetch.replicaEpoch,
      fetch.fetchOffset,
      this.log.logEndOffset,
      this.#context.scheduler.now(),
      fetch.logStartOffset,
    );
    this.#advanced(moved);
    if (!leader.isr.includes(fetch.replicaId)) this.#context.onOutsider(this);
    return undefined;
  }

  /** The leader's high watermark as a follower hears of it: never beyond what this log has. */
  followHighWatermark(offset: Offset): void {
    const bounded = Math.min(offset, this.log.logEndOffset);
    if (bounded <= this.log.highWatermark) return;
    this.log.highWatermark = bounded;
    this.#context.onProgress(this);
  }

  /** Times out waits; called on a tick. @returns whether somebody still waits */
  expire(now: Millis): boolean {
    if (this.#waits.length === 0) return false;
    const inTouch = this.#context.contact.inTouch(now);
    const expired = this.#waits.filter((wait) => !inTouch || wait.deadline <= now);
    if (expired.length === 0) return true;
    this.#waits = this.#waits.filter((wait) => inTouch && wait.deadline > now);
    const code = inTouch ? ErrorCode.REQUEST_TIMED_OUT : ErrorCode.NOT_LEADER_OR_FOLLOWER;
    for (const wait of expired) wait.reject(new ProtocolError(code));
    return this.#waits.length > 0;
  }

  /** After a proposal's outcome is known. */
  proposalSettled(leader: LeaderReplica): void {
    if (leader !== this.#leaderReplica) return;
    this.#advanced(leader.onProposalSettled());
  }

  #onStable(): void {
    const leader = this.#leaderReplica;
    if (leader !== undefined) this.#advanced(leader.onStable(this.log.stableOffset));
  }

  #advanced(moved: boolean): void {
    const leader = this.#leaderReplica;
    if (!moved || leader === undefined) return;
    assert(leader.highWatermark <= this.log.logEndOffset, "R1: high watermark <= log end offset");
    this.log.highWatermark = leader.highWatermark;
    this.#wakeCommitted(leader.highWatermark);
    this.#context.onProgress(this);
  }

  #wakeCommitted(highWatermark: Offset): void {
    if (this.#waits.length === 0) return;
    if (!this.#context.contact.inTouch(this.#context.scheduler.now())) {
      this.expire(this.#context.scheduler.now());
      return;
    }
    // Waits are in append order, so the committed ones are a prefix (but for repeats, which are few).
    const still: CommitWait[] = [];
    for (const wait of this.#waits) {
      if (wait.offset < highWatermark) wait.resolve();
      else still.push(wait);
    }
    this.#waits = still;
  }
}
