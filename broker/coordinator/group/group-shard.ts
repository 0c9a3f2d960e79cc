import type { Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import type { CoordinatorShard } from "../coordinator-shard.ts";
import { answer, NOTHING, reply, type Moment, type Outcome, type Pending } from "../outcome.ts";
import {
  joinRefused,
  syncRefused,
  type HeartbeatEvent,
  type JoinEvent,
  type LeaveEvent,
  type MemberIdentity,
  type SyncEvent,
} from "./classic-messages.ts";
import { ClassicGroup } from "./classic-group.ts";
import { subscribedTopics } from "./consumer-subscription.ts";
import type { GroupConfig } from "./group-config.ts";
import type { CommittedOffset, GroupRecord } from "./group-metadata.ts";
import { expiresAt, GroupOffsets } from "./offsets.ts";

/** A group and its offsets. */
export interface GroupEntry {
  readonly group: ClassicGroup;
  readonly offsets: GroupOffsets;
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly value: CommittedOffset;
}

export interface CommitEvent extends MemberIdentity {
  readonly groupId: string;
  readonly generationId: number;
  readonly offsets: readonly OffsetToCommit[];
  /** What to answer for a group that is not there although a generation is given. */
  readonly unknownGroupError: number;
  readonly from: Pending<{ readonly errorCode: number }>;
}

/** Records of one event beyond this are left for the next check. */
const MAX_TOMBSTONES = 1_000;
/** Between two parts of a large expiry. */
const EXPIRY_PAUSE_MS: Millis = 100;

/**
 * The groups of one partition of `__consumer_offsets`, as a state machine: events in, records and replies out. Groups and
 * offsets that are recorded change in `replay` only.
 */
export class GroupShard implements CoordinatorShard<GroupRecord> {
  readonly groups = new Map<string, GroupEntry>();
  wakeAt: Millis = Infinity;
  readonly #config: GroupConfig;
  #nextExpiry: Millis = Infinity;

  constructor(config: GroupConfig) {
    this.#config = config;
  }

  replay(record: GroupRecord, at: Moment): void {
    if (record.kind === "offset") {
      const entry =
        record.value === null ? this.groups.get(record.groupId) : this.#entry(record.groupId);
      entry?.offsets.replay(record.topic, record.partition, record.value);
      return;
    }
    if (record.value !== null) {
      const { group } = this.#entry(record.groupId);
      group.replay(record.value, at);
      this.wakeAt = Math.min(this.wakeAt, group.wakeAt);
      return;
    }
    const entry = this.groups.get(record.groupId);
    if (entry === undefined) return;
    entry.group.die();
    this.groups.delete(record.groupId);
    // Compaction may keep the group's tombstone and drop those of its offsets, or the other way round.
    if (!entry.offsets.isEmpty) {
      this.groups.set(record.groupId, {
        group: new ClassicGroup(record.groupId, this.#config),
        offsets: entry.offsets,
      });
    }
  }

  /** The log has been read: sessions begin now, and groups that hold nothing are forgotten. */
  loaded(at: Moment): void {
    for (const [groupId, entry] of this.groups) {
      if (entry.offsets.isEmpty && entry.group.recorded === undefined) this.groups.delete(groupId);
      else entry.group.renewSessions(at);
    }
    this.#nextExpiry = at.now + this.#config.retentionCheckIntervalMs;
    this.#rearm();
  }

  tick(at: Moment): readonly Outcome<GroupRecord>[] {
    const outcomes: Outcome<GroupRecord>[] = [];
    for (const { group } of this.groups.values()) {
      if (group.wakeAt > at.now) continue;
      const outcome = group.tick(at);
      if (outcome !== NOTHING) outcomes.push(outcome);
    }
    if (this.#nextExpiry <= at.now) {
      const outcome = this.expire(at);
      if (outcome !== NOTHING) outcomes.push(outcome);
      const more = outcome.records.length >= MAX_TOMBSTONES;
      this.#nextExpiry = at.now + (more ? EXPIRY_PAUSE_MS : this.#config.retentionCheckIntervalMs);
    }
    this.#rearm();
    return outcomes;
  }

  join(groupId: string, event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    if (event.memberId !== "" && !this.groups.has(groupId)) {
      return answer(event.from, joinRefused(ErrorCode.UNKNOWN_MEMBER_ID, event.memberId));
    }
    return this.#noted(this.#entry(groupId).group, (group) => group.join(event, at));
  }

  sync(groupId: string, event: SyncEvent, at: Moment): Outcome<GroupRecord> {
    const entry = this.groups.get(groupId);
    if (entry === undefined) return answer(event.from, syncRefused(ErrorCode.UNKNOWN_MEMBER_ID));
    return this.#noted(entry.group, (group) => group.sync(event, at));
  }

  heartbeat(groupId: string, event: HeartbeatEvent, at: Moment): Outcome<GroupRecord> {
    const entry = this.groups.get(groupId);
    if (entry === undefined) return answer(event.from, { errorCode: ErrorCode.UNKNOWN_MEMBER_ID });
    return entry.group.heartbeat(event, at);
  }

  leave(groupId: string, event: LeaveEvent, at: Moment): Outcome<GroupRecord> {
    const entry = this.groups.get(groupId);
    if (entry === undefined) {
      const members = event.members.map((each) => ({
        ...each,
        errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
      }));
      return answer(event.from, { members });
    }
    return this.#noted(entry.group, (group) => group.leave(event, at));
  }

  commit(event: CommitEvent, at: Moment): Outcome<GroupRecord> {
    const entry = this.groups.get(event.groupId);
    const errorCode =
      entry !== undefined
        ? entry.group.checkCommit(event, event.generationId, at)
        : event.generationId < 0
          ? ErrorCode.NONE
          : event.unknownGroupError;
    const { groupId } = event;
    return {
      records:
        errorCode === ErrorCode.NONE
          ? event.offsets.map((each) => ({ kind: "offset", groupId, ...each }))
          : [],
      replies: [reply(event.from, { errorCode })],
    };
  }

  /** Deletes offsets of the partitions given; the answer has one error code for each, in order (KIP-496). */
  deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    from: Pending<{ readonly errorCode: number; readonly partitions: readonly number[] }>,
  ): Outcome<GroupRecord> {
    const entry = this.groups.get(groupId);
    if (entry === undefined)
      return answer(from, { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, partitions: [] });
    const { group, offsets } = entry;
    if (group.members.size > 0 && group.protocolType !== "consumer") {
      return answer(from, { errorCode: ErrorCode.NON_EMPTY_GROUP, partitions: [] });
    }
    const subscribed = subscribedTopics(group);
    const isSubscribed = (topic: string): boolean =>
      group.members.size > 0 && (subscribed === undefined || subscribed.has(topic));
    const records: GroupRecord[] = [];
    const codes = partitions.map(({ topic, partition }) => {
      if (isSubscribed(topic)) return ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC;
      if (offsets.get(topic, partition) !== undefined) {
        records.push({ kind: "offset", groupId, topic, partition, value: null });
      }
      return ErrorCode.NONE;
    });
    return { records, replies: [reply(from, { errorCode: ErrorCode.NONE, partitions: codes })] };
  }

  deleteGroup(
    groupId: string,
    from: Pending<{ readonly errorCode: number }>,
  ): Outcome<GroupRecord> {
    const entry = this.groups.get(groupId);
    if (entry === undefined) return answer(from, { errorCode: ErrorCode.GROUP_ID_NOT_FOUND });
    if (entry.group.state !== "Empty")
      return answer(from, { errorCode: ErrorCode.NON_EMPTY_GROUP });
    return {
      records: [
        ...entry.offsets.tombstones(groupId, () => true),
        { kind: "group", groupId, value: null },
      ],
      replies: [reply(from, { errorCode: ErrorCode.NONE })],
    };
  }

  /** Tombstones for offsets of a topic that was deleted: those of its former id, or of no known id. */
  topicDeleted(topic: string, topicId: string): Outcome<GroupRecord> {
    const records: GroupRecord[] = [];
    for (const [groupId, { offsets }] of this.groups) {
      if (offsets.ofTopic(topic).size === 0) continue;
      records.push(
        ...offsets.tombstones(
          groupId,
          (name, _partition, value) =>
            name === topic && (value.topicId === undefined || value.topicId === topicId),
        ),
      );
      if (records.length >= MAX_TOMBSTONES) break;
    }
    return records.length === 0 ? NOTHING : { records, replies: [] };
  }

  /** Tombstones for offsets that have expired, and for empty groups that have none left. */
  expire(at: Moment): Outcome<GroupRecord> {
    const records: GroupRecord[] = [];
    for (const [groupId, { group, offsets }] of this.groups) {
      if (records.length >= MAX_TOMBSTONES) break;
      if (!group.isIdle) continue;
      const since =
        group.recorded === undefined || group.protocolType === null
          ? undefined
          : group.stateTimestamp;
      let kept = false;
      const expired = offsets.tombstones(groupId, (topic, partition, value) => {
        const gone =
          !offsets.isUnstable(topic, partition) &&
          expiresAt(value, since, this.#config.offsetsRetentionMs) <= at.wall;
        kept ||= !gone;
        return gone;
      });
      records.push(...expired);
      if (kept) continue;
      if (expired.length > 0 || group.recorded !== undefined)
        records.push({ kind: "group", groupId, value: null });
      else this.groups.delete(groupId);
    }
    return records.length === 0 ? NOTHING : { records, replies: [] };
  }

  /** Runs an event of a group and keeps `wakeAt` at or before the group's. */
  #noted(
    group: ClassicGroup,
    event: (group: ClassicGroup) => Outcome<GroupRecord>,
  ): Outcome<GroupRecord> {
    const outcome = event(group);
    this.wakeAt = Math.min(this.wakeAt, group.wakeAt);
    const { refused } = outcome;
    if (refused === undefined) return outcome;
    return { ...outcome, refused: (code, at) => this.#noted(group, () => refused(code, at)) };
  }

  #rearm(): void {
    this.wakeAt = this.#nextExpiry;
    for (const { group } of this.groups.values()) this.wakeAt = Math.min(this.wakeAt, group.wakeAt);
  }

  #entry(groupId: string): GroupEntry {
    let entry = this.groups.get(groupId);
    if (entry === undefined) {
      entry = { group: new ClassicGroup(groupId, this.#config), offsets: new GroupOffsets() };
      this.groups.set(groupId, entry);
    }
    return entry;
  }
}
