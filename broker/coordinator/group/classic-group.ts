import { assert, present } from "../../../lib/assert.ts";
import type { EpochMillis, Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import { NOTHING, refusal, reply, type Moment, type Outcome, type Reply } from "../outcome.ts";
import {
  joinRefused,
  syncRefused,
  type GroupProtocol,
  type HeartbeatEvent,
  type JoinAnswer,
  type JoinEvent,
  type LeaveEvent,
  type MemberIdentity,
  type SyncEvent,
} from "./classic-messages.ts";
import type { GroupConfig } from "./group-config.ts";
import {
  commonProtocols,
  metadataFor,
  sameProtocols,
  selectProtocol,
  type GroupMember,
} from "./group-member.ts";
import type { GroupMetadata, GroupRecord, GroupState, RecordedMember } from "./group-metadata.ts";

/** How long a new member that cannot heartbeat yet may wait in a round. */
const NEW_MEMBER_JOIN_TIMEOUT_MS: Millis = 300_000;
/** A refused record of an emptied group is written again after this. */
const RETRY_MS: Millis = 1_000;
const NO_BYTES = new Uint8Array(0);

/**
 * One classic consumer group (the JoinGroup protocol; KIP-62, KIP-134, KIP-345 static members, KIP-394, KIP-814).
 *
 * What is recorded is a generation with its assignments, or that the group is empty; `replay` alone moves the group into
 * Stable or Empty. Who has joined a round that is under way is not recorded: after a failover the group is in its last
 * recorded generation, and its members join again when the coordinator asks for it.
 */
export class ClassicGroup {
  readonly groupId: string;
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

  readonly #config: GroupConfig;
  readonly #members = new Map<string, GroupMember>();
  readonly #static = new Map<string, string>();
  /** Ids given by MEMBER_ID_REQUIRED, with the time by which they must be used. */
  readonly #pending = new Map<string, Millis>();
  #joinDeadline: Millis = Infinity;
  #syncDeadline: Millis = Infinity;
  /** Of the first round of an empty group: what may still be added to its delay; undefined in other rounds. */
  #initialDelayLeft: Millis | undefined;
  #newMemberAdded = false;
  /** Members that were told the generation and have not asked for their assignment. */
  readonly #owesSync = new Set<string>();

  #replies: Reply[] = [];
  #record: GroupMetadata | undefined;

  constructor(groupId: string, config: GroupConfig) {
    this.groupId = groupId;
    this.#config = config;
  }

  get members(): ReadonlyMap<string, GroupMember> {
    return this.#members;
  }

  join(event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    const refuse = (code: number, memberId = event.memberId): Outcome<GroupRecord> => ({
      records: [],
      replies: [reply(event.from, joinRefused(code, memberId))],
    });
    if (this.state === "Dead") return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    if (!this.#hasRoomFor(event.memberId, event.groupInstanceId)) {
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "");
    }
    const known = this.#members.get(event.memberId);
    const replaces =
      event.memberId === "" && event.groupInstanceId !== null
        ? this.#static.get(event.groupInstanceId)
        : undefined;
    if (!this.#supports(event.protocolType, event.protocols, known ?? this.#member(replaces))) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    if (event.memberId === "") {
      if (replaces !== undefined) return this.#replaceStatic(replaces, event, at);
      if (event.groupInstanceId === null && event.requireKnownMemberId) {
        this.#pending.set(event.newMemberId, this.#arm(at.now + event.sessionTimeoutMs));
        return refuse(ErrorCode.MEMBER_ID_REQUIRED, event.newMemberId);
      }
      this.#add(event.newMemberId, event, at);
      return this.#round(at);
    }
    if (this.#pending.delete(event.memberId)) {
      if (event.groupInstanceId !== null && this.#static.has(event.groupInstanceId)) {
        return refuse(ErrorCode.FENCED_INSTANCE_ID);
      }
      this.#add(event.memberId, event, at);
      return this.#round(at);
    }
    const fault = this.#fault(event);
    if (fault !== ErrorCode.NONE) return refuse(fault);
    return this.#rejoin(present(known, "a member without fault is known"), event, at);
  }

  sync(event: SyncEvent, at: Moment): Outcome<GroupRecord> {
    const refuse = (code: number): Outcome<GroupRecord> => ({
      records: [],
      replies: [reply(event.from, syncRefused(code))],
    });
    if (this.state === "Dead") return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    const fault = this.#fault(event);
    if (fault !== ErrorCode.NONE) return refuse(fault);
    if (event.generationId !== this.generation) return refuse(ErrorCode.ILLEGAL_GENERATION);
    if (
      (event.protocolType !== null && event.protocolType !== this.protocolType) ||
      (event.protocolName !== null && event.protocolName !== this.protocol)
    ) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    const member = present(this.#members.get(event.memberId), "a member without fault is known");
    switch (this.state) {
      case "Empty":
        return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
      case "PreparingRebalance":
        return refuse(ErrorCode.REBALANCE_IN_PROGRESS);
      case "Stable":
        this.#owesSync.delete(member.memberId);
        this.#renew(member, at);
        return { records: [], replies: [reply(event.from, this.#syncAnswer(member.assignment))] };
      case "CompletingRebalance":
        this.#owesSync.delete(member.memberId);
        this.#renew(member, at);
        this.#answerSync(member, syncRefused(ErrorCode.REBALANCE_IN_PROGRESS));
        member.sync = event.from;
        return member.memberId === this.leader ? this.#assign(event, at) : this.#outcome();
    }
  }

  heartbeat(event: HeartbeatEvent, at: Moment): Outcome<GroupRecord> {
    const errorCode = this.#heartbeat(event, at);
    return { records: [], replies: [reply(event.from, { errorCode })] };
  }

  leave(event: LeaveEvent, at: Moment): Outcome<GroupRecord> {
    if (this.state === "Dead") {
      return { records: [], replies: [refusal(event.from, ErrorCode.COORDINATOR_NOT_AVAILABLE)] };
    }
    const before = this.#members.size;
    const members = event.members.map((leaving) => ({
      ...leaving,
      errorCode: this.#leave(leaving),
    }));
    this.#replies.push(reply(event.from, { members }));
    return this.#settle(this.#members.size < before, at);
  }

  /**
   * Whether a member, or with no member id and generation -1 one that assigns partitions by itself, may commit offsets
   * now. A member's commit counts as a heartbeat.
   */
  checkCommit(identity: MemberIdentity, generationId: number, at: Moment): number {
    if (this.state === "Dead") return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const simple =
      generationId < 0 && identity.memberId === "" && identity.groupInstanceId === null;
    if (simple) return this.#members.size === 0 ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
    if (generationId < 0 && this.state === "Empty") return ErrorCode.NONE;
    const fault = this.#fault(identity);
    if (fault !== ErrorCode.NONE) return fault;
    if (generationId !== this.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (this.state === "CompletingRebalance") return ErrorCode.REBALANCE_IN_PROGRESS;
    this.#renew(
      present(this.#members.get(identity.memberId), "a member without fault is known"),
      at,
    );
    return ErrorCode.NONE;
  }

  /** Fires what is due at `at`: sessions, ids never used, the end of a round. */
  tick(at: Moment): Outcome<GroupRecord> {
    if (at.now < this.wakeAt) return NOTHING;
    let lost = false;
    for (const [memberId, deadline] of this.#pending) {
      if (deadline <= at.now) this.#pending.delete(memberId);
    }
    for (const member of [...this.#members.values()]) {
      const waits = member.join !== undefined && !member.isNew;
      if (!waits && member.deadline <= at.now) {
        this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
        lost = true;
      }
    }
    if (this.#syncDeadline <= at.now) {
      this.#syncDeadline = Infinity;
      for (const memberId of [...this.#owesSync]) {
        const member = this.#members.get(memberId);
        if (member === undefined) continue;
        this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
        lost = true;
      }
    }
    const ends = this.state === "PreparingRebalance" && this.#joinDeadline <= at.now;
    if (ends) this.#endOfRound(at);
    const outcome = ends ? this.#outcome() : this.#settle(lost, at);
    this.#rearm(at);
    return outcome;
  }

  /** Moves the group to what a record says. Members it already knows keep their sessions, others get a fresh one. */
  replay(value: GroupMetadata, at: Moment): void {
    this.recorded = value;
    this.generation = value.generation;
    this.protocolType = value.protocolType === "" ? null : value.protocolType;
    this.protocol = value.protocol;
    this.leader = value.leader;
    this.stateTimestamp = value.currentStateTimestamp;
    this.#joinDeadline = Infinity;
    const stay = new Set(value.members.map((each) => each.memberId));
    for (const member of [...this.#members.values()]) {
      if (!stay.has(member.memberId)) this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    this.leader = value.leader;
    for (const recorded of value.members) {
      const known = this.#members.get(recorded.memberId);
      // Taken out and put back: the order of members is the record's, here as after a failover.
      this.#members.delete(recorded.memberId);
      if (known !== undefined) known.assignment = recorded.assignment;
      this.#insert(known ?? memberFrom(recorded, value.protocol ?? "", at));
    }
    this.state = value.members.length === 0 ? "Empty" : "Stable";
    this.#rearm(at);
  }

  /** The group was deleted. */
  die(): void {
    this.state = "Dead";
    this.recorded = undefined;
    this.#pending.clear();
    for (const member of [...this.#members.values()])
      this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    this.wakeAt = Infinity;
  }

  /** Every member gets a full session: a new coordinator cannot know when it was last heard of. */
  renewSessions(at: Moment): void {
    for (const member of this.#members.values()) this.#renew(member, at);
  }

  /** Nothing but offsets could keep it: no members, none on the way. */
  get isIdle(): boolean {
    return this.state === "Empty" && this.#members.size === 0 && this.#pending.size === 0;
  }

  // ---- joining

  #rejoin(member: GroupMember, event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    switch (this.state) {
      case "Empty":
      case "Dead":
        return {
          records: [],
          replies: [reply(event.from, joinRefused(ErrorCode.UNKNOWN_MEMBER_ID, event.memberId))],
        };
      case "Stable":
      case "CompletingRebalance": {
        // A repeated JoinGroup whose answer was lost. A leader's in Stable asks for a new assignment.
        const repeated = sameProtocols(member, event.protocols);
        if (repeated && !(this.state === "Stable" && member.memberId === this.leader)) {
          this.#renew(member, at);
          return { records: [], replies: [reply(event.from, this.#joinAnswer(member))] };
        }
        break;
      }
      case "PreparingRebalance":
        break;
    }
    this.#await(member, event, at);
    return this.#round(at);
  }

  /** A static member that lost its id comes back with the same instance id: its old id is fenced (KIP-345). */
  #replaceStatic(oldId: string, event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    const old = present(this.#members.get(oldId), "a static member is a member");
    if (this.state === "Stable") {
      const others = [...this.#members.values()].filter((each) => each !== old);
      if (selectProtocol([...others, { ...old, protocols: event.protocols }]) === this.protocol) {
        return this.#replaceInGeneration(old, event, at);
      }
    }
    const wasLeader = this.leader === oldId;
    this.#remove(old, ErrorCode.FENCED_INSTANCE_ID);
    this.#add(event.newMemberId, event, at);
    if (wasLeader) this.leader = event.newMemberId;
    return this.#round(at);
  }

  /** The generation and its assignments stay, only the id changes: recorded, so that a later coordinator fences too. */
  #replaceInGeneration(old: GroupMember, event: JoinEvent, at: Moment): Outcome<GroupRecord> {
    const isLeader = this.leader === old.memberId;
    const next: GroupMember = {
      ...old,
      memberId: event.newMemberId,
      clientId: event.clientId,
      clientHost: event.clientHost,
      rebalanceTimeoutMs: event.rebalanceTimeoutMs,
      sessionTimeoutMs: event.sessionTimeoutMs,
      protocols: event.protocols,
      deadline: at.now + event.sessionTimeoutMs,
      isNew: false,
      join: undefined,
      sync: undefined,
    };
    const members = [...this.#members.values()].map((each) => (each === old ? next : each));
    const leader = isLeader ? next.memberId : this.leader;
    const value = this.#metadata(members, leader, at, (member) => member.assignment);
    const skips = isLeader && event.supportsSkipAssignment;
    const answer: JoinAnswer = {
      errorCode: ErrorCode.NONE,
      generationId: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocol,
      // Before JoinGroup 9 a returning leader is told its old id, so that it does not assign again.
      leader: isLeader && !event.supportsSkipAssignment ? old.memberId : (leader ?? ""),
      skipAssignment: skips,
      memberId: next.memberId,
      members: skips ? this.#memberList(members) : [],
    };
    return {
      records: [{ kind: "group", groupId: this.groupId, value }],
      replies: [reply(event.from, answer)],
      replayed: () => {
        const member = this.#members.get(next.memberId);
        if (member !== undefined) member.protocols = event.protocols;
      },
    };
  }

  #add(memberId: string, event: JoinEvent, at: Moment): void {
    assert(!this.#members.has(memberId), "member ids are not given twice");
    if (this.#members.size === 0) this.protocolType = event.protocolType;
    const member: GroupMember = {
      memberId,
      groupInstanceId: event.groupInstanceId,
      clientId: event.clientId,
      clientHost: event.clientHost,
      rebalanceTimeoutMs: event.rebalanceTimeoutMs,
      sessionTimeoutMs: event.sessionTimeoutMs,
      protocols: event.protocols,
      assignment: NO_BYTES,
      deadline: Infinity,
      isNew: true,
      join: undefined,
      sync: undefined,
    };
    this.#insert(member);
    this.leader ??= memberId;
    this.#await(member, event, at);
    member.deadline = this.#arm(at.now + NEW_MEMBER_JOIN_TIMEOUT_MS);
    if (this.state === "PreparingRebalance" && this.#initialDelayLeft !== undefined)
      this.#newMemberAdded = true;
  }

  #await(member: GroupMember, event: JoinEvent, at: Moment): void {
    if (member.join !== undefined) {
      this.#replies.push(
        reply(member.join, joinRefused(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId)),
      );
    }
    member.join = event.from;
    member.protocols = event.protocols;
    member.clientId = event.clientId;
    member.clientHost = event.clientHost;
    member.rebalanceTimeoutMs = event.rebalanceTimeoutMs;
    member.sessionTimeoutMs = event.sessionTimeoutMs;
    if (!member.isNew) this.#renew(member, at);
  }

  // ---- rounds

  /** Members have changed or ask for it: begins a round unless one runs, and ends it if nobody is missing. */
  #round(at: Moment): Outcome<GroupRecord> {
    return this.#settle(true, at);
  }

  #settle(changed: boolean, at: Moment): Outcome<GroupRecord> {
    if (this.state === "PreparingRebalance") this.#endRoundIfAllJoined(at);
    else if (changed && (this.state !== "Empty" || this.#members.size > 0)) this.#beginRound(at);
    return this.#outcome();
  }

  #beginRound(at: Moment): void {
    if (this.state === "CompletingRebalance") this.#dropSyncs(ErrorCode.REBALANCE_IN_PROGRESS);
    this.#owesSync.clear();
    this.#syncDeadline = Infinity;
    const first = this.state === "Empty";
    this.state = "PreparingRebalance";
    this.#newMemberAdded = false;
    const timeout = this.#rebalanceTimeout();
    if (first && this.#config.initialRebalanceDelayMs > 0) {
      // Members of a starting application come one after the other: one round for all instead of one for each.
      const delay = this.#config.initialRebalanceDelayMs;
      this.#initialDelayLeft = Math.max(0, timeout - delay);
      this.#joinDeadline = this.#arm(at.now + delay);
      return;
    }
    this.#initialDelayLeft = undefined;
    this.#joinDeadline = this.#arm(at.now + timeout);
    this.#endRoundIfAllJoined(at);
  }

  #endRoundIfAllJoined(at: Moment): void {
    if (this.#initialDelayLeft !== undefined && this.#members.size > 0) return;
    if (this.#pending.size > 0) return;
    for (const member of this.#members.values()) if (member.join === undefined) return;
    this.#endOfRound(at);
  }

  #endOfRound(at: Moment): void {
    if (
      this.#initialDelayLeft !== undefined &&
      this.#initialDelayLeft > 0 &&
      this.#newMemberAdded
    ) {
      const more = Math.min(this.#config.initialRebalanceDelayMs, this.#initialDelayLeft);
      this.#newMemberAdded = false;
      this.#initialDelayLeft -= more;
      this.#joinDeadline = this.#arm(at.now + more);
      return;
    }
    this.#initialDelayLeft = undefined;
    for (const member of [...this.#members.values()]) {
      // A static member may be restarting: its session decides, not this round.
      if (member.join === undefined && member.groupInstanceId === null) {
        this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
      }
    }
    if (this.#members.size === 0) {
      // Stays in this state until the record is replayed; tried again if it is refused.
      this.#joinDeadline = this.#arm(at.now + RETRY_MS);
      this.#record = {
        ...this.#metadata([], null, at, () => NO_BYTES),
        generation: this.generation + 1,
        protocol: null,
      };
      return;
    }
    const joined = [...this.#members.values()].filter((member) => member.join !== undefined);
    const [someone] = joined;
    if (someone === undefined) {
      this.#joinDeadline = this.#arm(at.now + this.#rebalanceTimeout());
      return;
    }
    if (this.#member(this.leader ?? undefined)?.join === undefined) this.leader = someone.memberId;
    this.generation += 1;
    this.protocol = present(selectProtocol(this.#members.values()), "members agree on a protocol");
    this.state = "CompletingRebalance";
    this.#joinDeadline = Infinity;
    for (const member of joined) {
      this.#replies.push(reply(present(member.join, "it waits"), this.#joinAnswer(member)));
      member.join = undefined;
      member.isNew = false;
      this.#owesSync.add(member.memberId);
      this.#renew(member, at);
    }
    this.#syncDeadline = this.#arm(at.now + this.#rebalanceTimeout());
  }

  /** The leader's assignment: recorded, and in force for everybody once replayed. */
  #assign(event: SyncEvent, at: Moment): Outcome<GroupRecord> {
    const given = new Map(event.assignments.map((each) => [each.memberId, each.assignment]));
    const assignmentOf = (member: GroupMember): Uint8Array =>
      given.get(member.memberId) ?? NO_BYTES;
    const value = this.#metadata([...this.#members.values()], this.leader, at, assignmentOf);
    const waiting = [...this.#members.values()].filter((member) => member.sync !== undefined);
    const { replies } = this.#outcome();
    return {
      records: [{ kind: "group", groupId: this.groupId, value }],
      replies: [
        ...replies,
        ...waiting.flatMap((member) =>
          member.sync === undefined
            ? []
            : [reply(member.sync, this.#syncAnswer(assignmentOf(member)))],
        ),
      ],
      replayed: () => {
        for (const member of waiting) member.sync = undefined;
      },
      refused: (errorCode, moment) => {
        this.#replies.push(...replies);
        this.#dropSyncs(errorCode);
        this.#beginRound(moment);
        return this.#outcome();
      },
    };
  }

  // ---- members

  #heartbeat(event: HeartbeatEvent, at: Moment): number {
    if (this.state === "Dead") return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const fault = this.#fault(event);
    if (fault !== ErrorCode.NONE) return fault;
    if (event.generationId !== this.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (this.state === "Empty") return ErrorCode.UNKNOWN_MEMBER_ID;
    this.#renew(present(this.#members.get(event.memberId), "a member without fault is known"), at);
    return this.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  #leave(leaving: MemberIdentity): number {
    let memberId = leaving.memberId;
    if (memberId === "" && leaving.groupInstanceId !== null) {
      memberId = this.#static.get(leaving.groupInstanceId) ?? "";
    } else if (this.#pending.delete(memberId)) {
      return ErrorCode.NONE;
    }
    const fault = this.#fault({ memberId, groupInstanceId: leaving.groupInstanceId });
    if (fault !== ErrorCode.NONE) return fault;
    this.#remove(
      present(this.#members.get(memberId), "a member without fault is known"),
      ErrorCode.UNKNOWN_MEMBER_ID,
    );
    return ErrorCode.NONE;
  }

  #member(memberId: string | undefined): GroupMember | undefined {
    return memberId === undefined ? undefined : this.#members.get(memberId);
  }

  /** NONE if the identity is that of a present member. */
  #fault(identity: MemberIdentity): number {
    if (identity.groupInstanceId !== null) {
      const current = this.#static.get(identity.groupInstanceId);
      if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (current !== identity.memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.#members.has(identity.memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  #hasRoomFor(memberId: string, groupInstanceId: string | null): boolean {
    if (this.#members.has(memberId) || this.#pending.has(memberId)) return true;
    if (groupInstanceId !== null && this.#static.has(groupInstanceId)) return true;
    return this.#members.size + this.#pending.size < this.#config.maxSize;
  }

  /** Whether `candidate`'s type and protocols fit all members other than its own former self. */
  #supports(
    protocolType: string,
    protocols: readonly GroupProtocol[],
    self: GroupMember | undefined,
  ): boolean {
    if (protocolType === "" || protocols.length === 0) return false;
    const others = [...this.#members.values()].filter((member) => member !== self);
    if (others.length === 0) return this.#members.size === 0 || protocolType === this.protocolType;
    if (protocolType !== this.protocolType) return false;
    const common = commonProtocols(others);
    return protocols.some((each) => common.has(each.name));
  }

  #insert(member: GroupMember): void {
    this.#members.set(member.memberId, member);
    if (member.groupInstanceId !== null) this.#static.set(member.groupInstanceId, member.memberId);
    this.#arm(member.deadline);
  }

  #remove(member: GroupMember, errorCode: number): void {
    this.#members.delete(member.memberId);
    if (
      member.groupInstanceId !== null &&
      this.#static.get(member.groupInstanceId) === member.memberId
    ) {
      this.#static.delete(member.groupInstanceId);
    }
    this.#owesSync.delete(member.memberId);
    if (member.join !== undefined) {
      this.#replies.push(reply(member.join, joinRefused(errorCode, member.memberId)));
      member.join = undefined;
    }
    this.#answerSync(member, syncRefused(errorCode));
    if (this.leader === member.memberId) this.leader = this.#members.keys().next().value ?? null;
  }

  #dropSyncs(errorCode: number): void {
    for (const member of this.#members.values()) this.#answerSync(member, syncRefused(errorCode));
  }

  #answerSync(member: GroupMember, answer: ReturnType<typeof syncRefused>): void {
    if (member.sync === undefined) return;
    this.#replies.push(reply(member.sync, answer));
    member.sync = undefined;
  }

  #renew(member: GroupMember, at: Moment): void {
    member.deadline = this.#arm(at.now + member.sessionTimeoutMs);
  }

  // ---- shapes

  #joinAnswer(member: GroupMember): JoinAnswer {
    return {
      errorCode: ErrorCode.NONE,
      generationId: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocol,
      leader: this.leader ?? "",
      skipAssignment: false,
      memberId: member.memberId,
      members: member.memberId === this.leader ? this.#memberList(this.#members.values()) : [],
    };
  }

  #memberList(members: Iterable<GroupMember>): JoinAnswer["members"] {
    return [...members].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: metadataFor(member, this.protocol ?? ""),
    }));
  }

  #syncAnswer(assignment: Uint8Array): ReturnType<typeof syncRefused> {
    return {
      errorCode: ErrorCode.NONE,
      protocolType: this.protocolType,
      protocolName: this.protocol,
      assignment,
    };
  }

  #metadata(
    members: readonly GroupMember[],
    leader: string | null,
    at: Moment,
    assignmentOf: (member: GroupMember) => Uint8Array,
  ): GroupMetadata {
    return {
      protocolType: this.protocolType ?? "",
      generation: this.generation,
      protocol: this.protocol,
      leader,
      currentStateTimestamp: at.wall,
      members: members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: metadataFor(member, this.protocol ?? ""),
        assignment: assignmentOf(member),
      })),
    };
  }

  // ---- deadlines and effects

  #rebalanceTimeout(): Millis {
    let longest = 0;
    for (const member of this.#members.values())
      longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  #arm(deadline: Millis): Millis {
    if (deadline < this.wakeAt) this.wakeAt = deadline;
    return deadline;
  }

  #rearm(at: Moment): void {
    let next = Math.min(this.#joinDeadline, this.#syncDeadline);
    for (const deadline of this.#pending.values()) next = Math.min(next, deadline);
    for (const member of this.#members.values()) {
      if (member.join === undefined || member.isNew) next = Math.min(next, member.deadline);
    }
    this.wakeAt = Math.max(next, at.now);
  }

  #outcome(): Outcome<GroupRecord> {
    const replies = this.#replies;
    const value = this.#record;
    this.#replies = [];
    this.#record = undefined;
    const records: GroupRecord[] =
      value === undefined ? [] : [{ kind: "group", groupId: this.groupId, value }];
    return records.length === 0 && replies.length === 0 ? NOTHING : { records, replies };
  }
}

function memberFrom(recorded: RecordedMember, protocol: string, at: Moment): GroupMember {
  return {
    memberId: recorded.memberId,
    groupInstanceId: recorded.groupInstanceId,
    clientId: recorded.clientId,
    clientHost: recorded.clientHost,
    rebalanceTimeoutMs: recorded.rebalanceTimeoutMs,
    sessionTimeoutMs: recorded.sessionTimeoutMs,
    protocols: [{ name: protocol, metadata: recorded.subscription }],
    assignment: recorded.assignment,
    deadline: at.now + recorded.sessionTimeoutMs,
    isNew: false,
    join: undefined,
    sync: undefined,
  };
}
