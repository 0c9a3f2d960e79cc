import { present } from "../../../lib/assert.ts";
import type { EpochMillis, Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import { NOTHING, refusal, reply, type Moment, type Outcome } from "../outcome.ts";
import { syncAnswer } from "./classic-answers.ts";
import { ClassicGroupState } from "./classic-group-state.ts";
import {
  syncRefused,
  type HeartbeatEvent,
  type JoinEvent,
  type LeaveEvent,
  type MemberIdentity,
  type SyncEvent,
} from "./classic-messages.ts";
import type { GroupConfig } from "./group-config.ts";
import { memberFrom, type GroupMember } from "./group-member.ts";
import type { GroupMetadata, GroupRecord, GroupState } from "./group-metadata.ts";
import { join } from "./joining.ts";
import { assign, endRound, settle } from "./rebalance-round.ts";

/**
 * One classic consumer group (the JoinGroup protocol; KIP-62, KIP-134, KIP-345 static members, KIP-394, KIP-814).
 *
 * What is recorded is a generation with its assignments, or that the group is empty; `replay` alone moves the group into
 * Stable or Empty. Who has joined a round that is under way is not recorded: after a failover the group is in its last
 * recorded generation, and its members join again when the coordinator asks for it.
 */
export class ClassicGroup {
  readonly #group: ClassicGroupState;

  constructor(groupId: string, config: GroupConfig) {
    this.#group = new ClassicGroupState(groupId, config);
  }

  get groupId(): string {
    return this.#group.groupId;
  }
  get state(): GroupState {
    return this.#group.state;
  }
  get generation(): number {
    return this.#group.generation;
  }
  get protocolType(): string | null {
    return this.#group.protocolType;
  }
  get protocol(): string | null {
    return this.#group.protocol;
  }
  get leader(): string | null {
    return this.#group.leader;
  }
  /** When the recorded state was entered. */
  get stateTimestamp(): EpochMillis {
    return this.#group.stateTimestamp;
  }
  /** What the log says; undefined for a group that only holds offsets. */
  get recorded(): GroupMetadata | undefined {
    return this.#group.recorded;
  }
  /** No deadline of the group is before this moment. */
  get wakeAt(): Millis {
    return this.#group.wakeAt;
  }
  get members(): ReadonlyMap<string, GroupMember> {
    return this.#group.members.byId;
  }
  /** Nothing but offsets could keep it: no members, none on the way. */
  get isIdle(): boolean {
    const { state, members } = this.#group;
    return state === "Empty" && members.size === 0 && members.pending.size === 0;
  }

  join(event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    return join(this.#group, event, at);
  }

  sync(event: SyncEvent, at: Moment): Outcome<GroupRecord> {
    const group = this.#group;
    const refuse = (code: number): Outcome<GroupRecord> => ({
      records: [],
      replies: [reply(event.from, syncRefused(code))],
    });
    if (group.state === "Dead") return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    const fault = group.members.fault(event);
    if (fault !== ErrorCode.NONE) return refuse(fault);
    if (event.generationId !== group.generation) return refuse(ErrorCode.ILLEGAL_GENERATION);
    if (
      (event.protocolType !== null && event.protocolType !== group.protocolType) ||
      (event.protocolName !== null && event.protocolName !== group.protocol)
    ) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    const member = this.#present(event.memberId);
    switch (group.state) {
      case "Empty":
        return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
      case "PreparingRebalance":
        return refuse(ErrorCode.REBALANCE_IN_PROGRESS);
      case "Stable":
        group.owesSync.delete(member.memberId);
        group.renew(member, at);
        return { records: [], replies: [reply(event.from, syncAnswer(group, member.assignment))] };
      case "CompletingRebalance":
        group.owesSync.delete(member.memberId);
        group.renew(member, at);
        group.answerSync(member, syncRefused(ErrorCode.REBALANCE_IN_PROGRESS));
        member.sync = event.from;
        return member.memberId === group.leader ? assign(group, event, at) : group.outcome();
    }
  }

  heartbeat(event: HeartbeatEvent, at: Moment): Outcome<GroupRecord> {
    const errorCode = this.#heartbeat(event, at);
    return { records: [], replies: [reply(event.from, { errorCode })] };
  }

  leave(event: LeaveEvent, at: Moment): Outcome<GroupRecord> {
    const group = this.#group;
    if (group.state === "Dead") {
      return { records: [], replies: [refusal(event.from, ErrorCode.COORDINATOR_NOT_AVAILABLE)] };
    }
    const before = group.members.size;
    const members = event.members.map((leaving) => ({
      ...leaving,
      errorCode: this.#leave(leaving),
    }));
    group.push(reply(event.from, { members }));
    return settle(group, group.members.size < before, at);
  }

  /**
   * Whether a member, or with no member id and generation -1 one that assigns partitions by itself, may commit offsets
   * now. A member's commit counts as a heartbeat.
   */
  checkCommit(identity: MemberIdentity, generationId: number, at: Moment): number {
    const group = this.#group;
    if (group.state === "Dead") return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const simple =
      generationId < 0 && identity.memberId === "" && identity.groupInstanceId === null;
    if (simple) return group.members.size === 0 ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
    if (generationId < 0 && group.state === "Empty") return ErrorCode.NONE;
    const fault = group.members.fault(identity);
    if (fault !== ErrorCode.NONE) return fault;
    if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (group.state === "CompletingRebalance") return ErrorCode.REBALANCE_IN_PROGRESS;
    group.renew(this.#present(identity.memberId), at);
    return ErrorCode.NONE;
  }

  /** Fires what is due at `at`: sessions, ids never used, the end of a round. */
  tick(at: Moment): Outcome<GroupRecord> {
    const group = this.#group;
    if (at.now < group.wakeAt) return NOTHING;
    for (const [memberId, deadline] of group.members.pending) {
      if (deadline <= at.now) group.members.pending.delete(memberId);
    }
    const before = group.members.size;
    for (const member of group.members.list()) {
      const waits = member.join !== undefined && !member.isNew;
      if (!waits && member.deadline <= at.now) group.remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    if (group.syncDeadline <= at.now) {
      group.syncDeadline = Infinity;
      for (const memberId of [...group.owesSync]) {
        const member = group.members.get(memberId);
        if (member !== undefined) group.remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
      }
    }
    const lost = group.members.size < before;
    const ends = group.state === "PreparingRebalance" && group.joinDeadline <= at.now;
    if (ends) endRound(group, at);
    const outcome = ends ? group.outcome() : settle(group, lost, at);
    group.rearm(at);
    return outcome;
  }

  /** Moves the group to what a record says. Members it already knows keep their sessions, others get a fresh one. */
  replay(value: GroupMetadata, at: Moment): void {
    const group = this.#group;
    group.recorded = value;
    group.generation = value.generation;
    group.protocolType = value.protocolType === "" ? null : value.protocolType;
    group.protocol = value.protocol;
    group.stateTimestamp = value.currentStateTimestamp;
    group.joinDeadline = Infinity;
    const stay = new Set(value.members.map((each) => each.memberId));
    for (const member of group.members.list()) {
      if (!stay.has(member.memberId)) group.remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    group.leader = value.leader;
    for (const recorded of value.members) {
      const known = group.members.get(recorded.memberId);
      if (known !== undefined) known.assignment = recorded.assignment;
      // Also those that are there: the order of members is the record's, here as after a failover.
      group.insert(known ?? memberFrom(recorded, value.protocol ?? "", at));
    }
    group.state = value.members.length === 0 ? "Empty" : "Stable";
    group.rearm(at);
  }

  /** The group was deleted. */
  die(): void {
    const group = this.#group;
    group.state = "Dead";
    group.recorded = undefined;
    group.members.pending.clear();
    for (const member of group.members.list()) group.remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    group.wakeAt = Infinity;
  }

  /** Every member gets a full session: a new coordinator cannot know when it was last heard of. */
  renewSessions(at: Moment): void {
    for (const member of this.members.values()) this.#group.renew(member, at);
  }

  #heartbeat(event: HeartbeatEvent, at: Moment): number {
    const group = this.#group;
    if (group.state === "Dead") return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const fault = group.members.fault(event);
    if (fault !== ErrorCode.NONE) return fault;
    if (event.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (group.state === "Empty") return ErrorCode.UNKNOWN_MEMBER_ID;
    group.renew(this.#present(event.memberId), at);
    return group.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  #leave(leaving: MemberIdentity): number {
    const { members } = this.#group;
    let { memberId } = leaving;
    if (memberId === "" && leaving.groupInstanceId !== null) {
      memberId = members.staticId(leaving.groupInstanceId) ?? "";
    } else if (members.pending.delete(memberId)) {
      return ErrorCode.NONE;
    }
    const fault = members.fault({ memberId, groupInstanceId: leaving.groupInstanceId });
    if (fault !== ErrorCode.NONE) return fault;
    this.#group.remove(this.#present(memberId), ErrorCode.UNKNOWN_MEMBER_ID);
    return ErrorCode.NONE;
  }

  #present(memberId: string): GroupMember {
    return present(this.#group.members.get(memberId), "a member without fault is known");
  }
}
