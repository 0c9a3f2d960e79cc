import { assert, present } from "../../../lib/assert.ts";
import type { Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import { reply, type Moment, type Outcome } from "../outcome.ts";
import { groupMetadata, joinAnswer, memberList } from "./classic-answers.ts";
import type { ClassicGroupState } from "./classic-group-state.ts";
import { joinRefused, type JoinAnswer, type JoinEvent } from "./classic-messages.ts";
import { memberOf, sameProtocols, selectProtocol, type GroupMember } from "./group-member.ts";
import type { GroupRecord } from "./group-metadata.ts";
import { rebalance } from "./rebalance-round.ts";

/** How long a new member that cannot heartbeat yet may wait in a round. */
const NEW_MEMBER_JOIN_TIMEOUT_MS: Millis = 300_000;

/** A JoinGroup: of a new member, of a static one that lost its id, or of one that is known. */
export function join(group: ClassicGroupState, event: JoinEvent, at: Moment): Outcome<GroupRecord> {
  const refuse = (code: number, memberId = event.memberId): Outcome<GroupRecord> => ({
    records: [],
    replies: [reply(event.from, joinRefused(code, memberId))],
  });
  const { members } = group;
  if (group.state === "Dead") return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  if (!members.hasRoomFor(event, group.config.maxSize)) {
    return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "");
  }
  const known = members.get(event.memberId);
  const replaces = event.memberId === "" ? members.staticId(event.groupInstanceId) : undefined;
  if (!fits(group, event, known ?? members.get(replaces))) {
    return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  if (event.memberId === "") {
    if (replaces !== undefined) return replaceStatic(group, replaces, event, at);
    if (event.groupInstanceId === null && event.requireKnownMemberId) {
      members.pending.set(event.newMemberId, group.arm(at.now + event.sessionTimeoutMs));
      return refuse(ErrorCode.MEMBER_ID_REQUIRED, event.newMemberId);
    }
    add(group, event.newMemberId, event, at);
    return rebalance(group, at);
  }
  if (members.pending.delete(event.memberId)) {
    if (members.staticId(event.groupInstanceId) !== undefined) {
      return refuse(ErrorCode.FENCED_INSTANCE_ID);
    }
    add(group, event.memberId, event, at);
    return rebalance(group, at);
  }
  const fault = members.fault(event);
  if (fault !== ErrorCode.NONE) return refuse(fault);
  return rejoin(group, present(known, "a member without fault is known"), event, at);
}

/** Whether the type and protocols asked for fit all members other than the asker's own former self. */
function fits(
  group: ClassicGroupState,
  { protocolType, protocols }: JoinEvent,
  self: GroupMember | undefined,
): boolean {
  if (protocolType === "" || protocols.length === 0) return false;
  if (group.members.size > 0 && protocolType !== group.protocolType) return false;
  return group.members.share(protocols, self);
}

function rejoin(
  group: ClassicGroupState,
  member: GroupMember,
  event: JoinEvent,
  at: Moment,
): Outcome<GroupRecord> {
  switch (group.state) {
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
      if (repeated && !(group.state === "Stable" && member.memberId === group.leader)) {
        group.renew(member, at);
        const answer = joinAnswer(group, member, group.members.byId.values());
        return { records: [], replies: [reply(event.from, answer)] };
      }
      break;
    }
    case "PreparingRebalance":
      break;
  }
  waitForRound(group, member, event, at);
  return rebalance(group, at);
}

/** A static member that lost its id comes back with the same instance id: its old id is fenced (KIP-345). */
function replaceStatic(
  group: ClassicGroupState,
  oldId: string,
  event: JoinEvent,
  at: Moment,
): Outcome<GroupRecord> {
  const old = present(group.members.get(oldId), "a static member is a member");
  if (group.state === "Stable") {
    const others = group.members.list().filter((each) => each !== old);
    if (selectProtocol([...others, { ...old, protocols: event.protocols }]) === group.protocol) {
      return replaceInGeneration(group, old, event, at);
    }
  }
  const wasLeader = group.leader === oldId;
  group.remove(old, ErrorCode.FENCED_INSTANCE_ID);
  add(group, event.newMemberId, event, at);
  if (wasLeader) group.leader = event.newMemberId;
  return rebalance(group, at);
}

/** The generation and its assignments stay, only the id changes: recorded, so that a later coordinator fences too. */
function replaceInGeneration(
  group: ClassicGroupState,
  old: GroupMember,
  event: JoinEvent,
  at: Moment,
): Outcome<GroupRecord> {
  const { generation, protocolType, protocol } = group;
  const isLeader = group.leader === old.memberId;
  const next = {
    ...memberOf(event.newMemberId, event),
    assignment: old.assignment,
    deadline: at.now + event.sessionTimeoutMs,
    isNew: false,
  };
  const members = group.members.list().map((each) => (each === old ? next : each));
  const leader = isLeader ? next.memberId : group.leader;
  const replaced = { generation, protocolType, protocol, leader };
  const skips = isLeader && event.supportsSkipAssignment;
  const answer: JoinAnswer = {
    errorCode: ErrorCode.NONE,
    generationId: generation,
    protocolType,
    protocolName: protocol,
    // Before JoinGroup 9 a returning leader is told its old id, so that it does not assign again.
    leader: isLeader && !event.supportsSkipAssignment ? old.memberId : (leader ?? ""),
    skipAssignment: skips,
    memberId: next.memberId,
    members: skips ? memberList(replaced, members) : [],
  };
  const value = groupMetadata(replaced, members, at.wall, (member) => member.assignment);
  return {
    records: [group.recordOf(value)],
    replies: [reply(event.from, answer)],
    replayed: () => {
      const member = group.members.get(next.memberId);
      if (member !== undefined) member.protocols = event.protocols;
    },
  };
}

function add(group: ClassicGroupState, memberId: string, event: JoinEvent, at: Moment): void {
  assert(!group.members.byId.has(memberId), "member ids are not given twice");
  if (group.members.size === 0) group.protocolType = event.protocolType;
  const member = memberOf(memberId, event);
  group.insert(member);
  group.leader ??= memberId;
  waitForRound(group, member, event, at);
  member.deadline = group.arm(at.now + NEW_MEMBER_JOIN_TIMEOUT_MS);
  if (group.state === "PreparingRebalance" && group.initialDelayLeft !== undefined) {
    group.newMemberAdded = true;
  }
}

/** The answer waits for the end of the round; an earlier JoinGroup of the member is refused. */
function waitForRound(
  group: ClassicGroupState,
  member: GroupMember,
  event: JoinEvent,
  at: Moment,
): void {
  if (member.join !== undefined) {
    const refused = joinRefused(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId);
    group.push(reply(member.join, refused));
  }
  member.join = event.from;
  member.protocols = event.protocols;
  member.clientId = event.clientId;
  member.clientHost = event.clientHost;
  member.rebalanceTimeoutMs = event.rebalanceTimeoutMs;
  member.sessionTimeoutMs = event.sessionTimeoutMs;
  if (!member.isNew) group.renew(member, at);
}
