import type { EpochMillis, Millis } from "../../../lib/units.ts";
import { NOTHING, reply, type Moment, type Outcome, type Reply } from "../outcome.ts";
import type { Generation } from "./classic-answers.ts";
import { joinRefused, syncRefused, type SyncAnswer } from "./classic-messages.ts";
import type { GroupConfig } from "./group-config.ts";
import type { GroupMember } from "./group-member.ts";
import { GroupMembers } from "./group-members.ts";
import type { GroupMetadata, GroupRecord, GroupState } from "./group-metadata.ts";

/**
 * What a classic group holds, with the steps that keep it consistent: deadlines, members that leave with an answer, and
 * the replies and the record that the event under way has brought forth. What happens when is in `classic-group.ts`,
 * `joining.ts` and `rebalance-round.ts`. (core)
 */
export class ClassicGroupState implements Generation {
  readonly groupId: string;
  readonly config: GroupConfig;
  state: GroupState = "Empty";
  generation = 0;
  protocolType: string | null = null;
  protocol: string | null = null;
  leader: string | null = null;
  /** When the recorded state was entered. */
  stateTimestamp: EpochMillis = -1;
  /** What the log says; undefined for a group that only holds offsets. */
  recorded: GroupMetadata | undefined;
  /** No deadline of the group is before this moment. */
  wakeAt: Millis = Infinity;

  readonly members = new GroupMembers();
  /** When the round that waits for members ends. */
  joinDeadline: Millis = Infinity;
  /** By when every member of a new generation must have asked for its assignment. */
  syncDeadline: Millis = Infinity;
  /** Of the first round of an empty group: what may still be added to its delay; undefined in other rounds. */
  initialDelayLeft: Millis | undefined;
  /** Of the first round: somebody came since its delay was last set. */
  newMemberAdded = false;
  /** Members that were told the generation and have not asked for their assignment. */
  readonly owesSync = new Set<string>();

  #replies: Reply[] = [];
  #record: GroupMetadata | undefined;

  constructor(groupId: string, config: GroupConfig) {
    this.groupId = groupId;
    this.config = config;
  }

  // ---- deadlines

  /** Wakes the group at the deadline, too. @returns the deadline. */
  arm(deadline: Millis): Millis {
    if (deadline < this.wakeAt) this.wakeAt = deadline;
    return deadline;
  }

  /** Finds the next deadline again, when some may have gone. */
  rearm(at: Moment): void {
    let next = Math.min(this.joinDeadline, this.syncDeadline);
    for (const deadline of this.members.pending.values()) next = Math.min(next, deadline);
    for (const member of this.members.byId.values()) {
      if (member.join === undefined || member.isNew) next = Math.min(next, member.deadline);
    }
    this.wakeAt = Math.max(next, at.now);
  }

  /** The member was heard of: its session begins again. */
  renew(member: GroupMember, at: Moment): void {
    member.deadline = this.arm(at.now + member.sessionTimeoutMs);
  }

  // ---- members

  insert(member: GroupMember): void {
    this.members.insert(member);
    this.arm(member.deadline);
  }

  /** Takes the member out; what it waits for is refused with `errorCode`. */
  remove(member: GroupMember, errorCode: number): void {
    this.members.remove(member);
    this.owesSync.delete(member.memberId);
    if (member.join !== undefined) {
      this.push(reply(member.join, joinRefused(errorCode, member.memberId)));
      member.join = undefined;
    }
    this.answerSync(member, syncRefused(errorCode));
    if (this.leader === member.memberId) {
      this.leader = this.members.byId.keys().next().value ?? null;
    }
  }

  answerSync(member: GroupMember, answer: SyncAnswer): void {
    if (member.sync === undefined) return;
    this.push(reply(member.sync, answer));
    member.sync = undefined;
  }

  /** Refuses every SyncGroup that waits for the leader's. */
  dropSyncs(errorCode: number): void {
    for (const member of this.members.byId.values()) {
      this.answerSync(member, syncRefused(errorCode));
    }
  }

  // ---- effects

  push(...replies: readonly Reply[]): void {
    this.#replies.push(...replies);
  }

  /** The record that the outcome under way carries. */
  write(value: GroupMetadata): void {
    this.#record = value;
  }

  /** What has come together since the last time. */
  outcome(): Outcome<GroupRecord> {
    const replies = this.#replies;
    const value = this.#record;
    this.#replies = [];
    this.#record = undefined;
    const records: GroupRecord[] = value === undefined ? [] : [this.recordOf(value)];
    return records.length === 0 && replies.length === 0 ? NOTHING : { records, replies };
  }

  recordOf(value: GroupMetadata): GroupRecord {
    return { kind: "group", groupId: this.groupId, value };
  }
}
