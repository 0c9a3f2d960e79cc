import type { EpochMillis, Millis } from "../../../lib/units.ts";

/** States of a classic group, by Kafka's names. */
export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";

/** A member as `__consumer_offsets` records it (GroupMetadataValue). */
export interface RecordedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: Millis;
  readonly sessionTimeoutMs: Millis;
  /** The member's metadata for the selected protocol. */
  readonly subscription: Uint8Array;
  readonly assignment: Uint8Array;
}

/** A group's recorded state: one generation with its assignments, or no members. */
export interface GroupMetadata {
  /** "" for a group that only ever held offsets. */
  readonly protocolType: string;
  readonly generation: number;
  readonly protocol: string | null;
  readonly leader: string | null;
  readonly currentStateTimestamp: EpochMillis;
  readonly members: readonly RecordedMember[];
}

/** One committed offset (OffsetCommitValue). */
export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: EpochMillis;
  /** Set by OffsetCommit 2 to 4 with a retention time; -1: none. */
  readonly expireTimestamp: EpochMillis;
  /** Lower-case UUID, undefined when the committer's topic id was not known. */
  readonly topicId: string | undefined;
}

/** What a group coordinator records; a null value is a tombstone. */
export type GroupRecord =
  | { readonly kind: "group"; readonly groupId: string; readonly value: GroupMetadata | null }
  | {
      readonly kind: "offset";
      readonly groupId: string;
      readonly topic: string;
      readonly partition: number;
      readonly value: CommittedOffset | null;
    };
