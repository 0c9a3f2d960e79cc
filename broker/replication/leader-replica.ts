import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionState } from "../../cluster/partition-slice.ts";
import { assert } from "../../lib/assert.ts";
import type { Millis } from "../../lib/units.ts";
import type { Offset } from "../log/types.ts";
import type { ReadableReplica } from "./read-replica.ts";

/** What a leader knows of one follower, from its fetches. */
interface FollowerProgress {
  /** All before it is stable on the follower (R2). -1: it has not fetched in this leader epoch. */
  stableOffset: Offset;
  /** Broker epoch its fetches carry (KIP-903). */
  brokerEpoch: number;
  /** When it was last known to have everything (KIP-16: by time, not by count). */
  caughtUpAt: Millis;
  lastFetchAt: Millis;
  /** Log end offset of the leader at its last fetch: reaching it later means having been caught up then. */
  leaderEndAtLastFetch: Offset;
  /** Where its log begins, as its last fetch said. */
  logStartOffset: Offset;
}

/** A change of the ISR that has been sent and whose outcome is not known (KIP-497). */
interface PendingIsr {
  readonly add: readonly BrokerId[];
  readonly drop: readonly BrokerId[];
}

/** What the leader wants recorded. `expectedPartitionEpoch` binds additions to what was read (C7). */
export interface IsrProposal extends PendingIsr {
  readonly expectedPartitionEpoch: number;
  /** Broker epochs that the additions were decided on. */
  readonly brokerEpochs: ReadonlyMap<BrokerId, number>;
}

/**
 * The leader's view of one partition during one leader epoch: follower progress, the committed and the maximal ISR, the
 * high watermark (KIP-101, KIP-497, KIP-966). Reads no clock, does no I/O. (core)
 */
export class LeaderReplica {
  readonly self: BrokerId;
  readonly leaderEpoch: number;
  readonly epochStartOffset: Offset;
  #state: PartitionState;
  #replicas: readonly BrokerId[];
  #minInSyncReplicas: number;
  #highWatermark: Offset;
  #ownStable: Offset;
  #pending: PendingIsr | undefined;
  readonly #followers = new Map<BrokerId, FollowerProgress>();

  constructor(options: {
    readonly self: BrokerId;
    readonly state: PartitionState;
    readonly replicas: readonly BrokerId[];
    readonly minInSyncReplicas: number;
    readonly highWatermark: Offset;
    readonly stableOffset: Offset;
    /** Log end offset on taking over: where this leader epoch begins. */
    readonly epochStartOffset: Offset;
    readonly now: Millis;
  }) {
    assert(options.state.leader === options.self, "C2: only the recorded leader leads");
    this.self = options.self;
    this.leaderEpoch = options.state.leaderEpoch;
    this.epochStartOffset = options.epochStartOffset;
    this.#state = options.state;
    this.#replicas = options.replicas;
    this.#minInSyncReplicas = options.minInSyncReplicas;
    this.#highWatermark = options.highWatermark;
    this.#ownStable = options.stableOffset;
    for (const id of options.replicas) {
      if (id !== this.self) this.#followers.set(id, newFollower(options.now));
    }
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }
  get isr(): readonly BrokerId[] {
    return this.#state.isr;
  }
  get partitionEpoch(): number {
    return this.#state.partitionEpoch;
  }
  get minInSyncReplicas(): number {
    return this.#minInSyncReplicas;
  }
  get hasPending(): boolean {
    return this.#pending !== undefined;
  }
  /** Enough replicas are in sync for an acks=all append to be accepted. */
  get enoughInSync(): boolean {
    return this.#state.isr.length >= this.#minInSyncReplicas;
  }

  /** The recorded state or the topic changed; never older than what is known. @returns whether the high watermark moved. */
  onState(
    state: PartitionState,
    replicas: readonly BrokerId[],
    minInSyncReplicas: number,
    now: Millis,
  ): boolean {
    assert(state.leaderEpoch === this.leaderEpoch, "one LeaderReplica per leader epoch");
    if (state.partitionEpoch < this.#state.partitionEpoch) return false;
    this.#state = state;
    this.#replicas = replicas;
    this.#minInSyncReplicas = minInSyncReplicas;
    for (const id of replicas) {
      if (id !== this.self && !this.#followers.has(id)) this.#followers.set(id, newFollower(now));
    }
    for (const id of this.#followers.keys()) {
      if (!replicas.includes(id) && !state.isr.includes(id)) this.#followers.delete(id);
    }
    return this.#advance();
  }

  /** This broker's own log has become stable up to `offset`. @returns whether the high watermark moved. */
  onStable(offset: Offset): boolean {
    assert(offset >= this.#ownStable, "L1: what is stable stays stable while leading");
    this.#ownStable = offset;
    return this.#advance();
  }

  /**
   * A follower asked for `fetchOffset`, so it has everything before it on stable storage (R2).
   * @param logEndOffset of this leader, now. @param logStartOffset of the follower.
   * @returns whether the high watermark moved.
   */
  onFollowerFetch(
    id: BrokerId,
    brokerEpoch: number,
    fetchOffset: Offset,
    logEndOffset: Offset,
    now: Millis,
    logStartOffset: Offset = 0,
  ): boolean {
    assert(fetchOffset <= logEndOffset, "a fetch beyond the log end is refused before it counts");
    const follower = this.#followers.get(id);
    if (follower === undefined || brokerEpoch < follower.brokerEpoch) return false;
    if (brokerEpoch > follower.brokerEpoch) {
      // A new process: nothing that the former one fetched says anything about this one.
      follower.stableOffset = -1;
      follower.leaderEndAtLastFetch = Number.MAX_SAFE_INTEGER;
      follower.brokerEpoch = brokerEpoch;
    }
    if (fetchOffset >= logEndOffset) follower.caughtUpAt = now;
    else if (fetchOffset >= follower.leaderEndAtLastFetch)
      follower.caughtUpAt = follower.lastFetchAt;
    follower.stableOffset = fetchOffset;
    follower.lastFetchAt = now;
    follower.leaderEndAtLastFetch = logEndOffset;
    follower.logStartOffset = logStartOffset;
    return this.#advance();
  }

  /**
   * What should be recorded now: followers that have caught up to the high watermark and to the start of this epoch
   * come in, those that have not caught up for `lagTimeMax` leave. Nothing while a proposal is in flight.
   * @param mayJoin whether the broker is running, as far as is known.
   */
  propose(
    now: Millis,
    lagTimeMax: Millis,
    mayJoin: (id: BrokerId, brokerEpoch: number) => boolean,
  ): IsrProposal | undefined {
    if (this.#pending !== undefined) return undefined;
    // Asked of thousands of partitions of which nothing is due: nothing is made before there is.
    let add: BrokerId[] | undefined;
    let drop: BrokerId[] | undefined;
    for (const [id, follower] of this.#followers) {
      const member = this.#state.isr.includes(id);
      if (member) {
        if (now - follower.caughtUpAt > lagTimeMax) (drop ??= []).push(id);
      } else if (
        this.#replicas.includes(id) &&
        follower.stableOffset >= this.#highWatermark &&
        follower.stableOffset >= this.epochStartOffset &&
        now - follower.lastFetchAt <= lagTimeMax &&
        mayJoin(id, follower.brokerEpoch)
      ) {
        (add ??= []).push(id);
      }
    }
    const staleElr = this.#state.elr.length > 0 && this.enoughInSync;
    if (add === undefined && drop === undefined && !staleElr) return undefined;
    return this.#proposed(add ?? [], drop ?? []);
  }

  #proposed(add: readonly BrokerId[], drop: readonly BrokerId[]): IsrProposal {
    const brokerEpochs = new Map<BrokerId, number>();
    for (const id of add) brokerEpochs.set(id, this.#followers.get(id)?.brokerEpoch ?? -1);
    this.#pending = { add, drop };
    return { add, drop, expectedPartitionEpoch: this.#state.partitionEpoch, brokerEpochs };
  }

  /** The proposal's outcome is known, and the state as recorded has been given to `onState`. */
  onProposalSettled(): boolean {
    this.#pending = undefined;
    return this.#advance();
  }

  /** Stable offset by follower, for status and tests; -1 when it has not fetched in this epoch. */
  followerOffset(id: BrokerId): Offset {
    return this.#followers.get(id)?.stableOffset ?? -1;
  }

  /** In-sync followers with what each is known to have (KIP-392). */
  *readable(): Iterable<ReadableReplica> {
    for (const [id, { stableOffset, logStartOffset, caughtUpAt }] of this.#followers) {
      if (stableOffset < 0 || !this.#state.isr.includes(id)) continue;
      yield { id, logEndOffset: stableOffset, logStartOffset, caughtUpAt };
    }
  }

  /** Smallest stable offset over the maximal ISR, if the committed ISR is large enough (R2, R3). */
  #advance(): boolean {
    // An ELR says that nothing was committed since its members left: true only if nothing is.
    if (!this.enoughInSync || this.#state.elr.length > 0) return false;
    let lowest = this.#state.isr.includes(this.self) ? this.#ownStable : -1;
    lowest = Math.min(lowest, this.#ownStable);
    for (const id of this.#state.isr) {
      if (id !== this.self) lowest = Math.min(lowest, this.followerOffset(id));
    }
    for (const id of this.#pending?.add ?? []) lowest = Math.min(lowest, this.followerOffset(id));
    if (lowest <= this.#highWatermark) return false;
    this.#highWatermark = lowest;
    return true;
  }
}

function newFollower(now: Millis): FollowerProgress {
  return {
    stableOffset: -1,
    brokerEpoch: -1,
    caughtUpAt: now,
    lastFetchAt: now,
    leaderEndAtLastFetch: Number.MAX_SAFE_INTEGER,
    logStartOffset: 0,
  };
}
