import { present } from "../../../lib/assert.ts";
import type { Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import { reply, type Moment, type Outcome } from "../outcome.ts";
import { groupMetadata, joinAnswer, syncAnswer } from "./classic-answers.ts";
import type { ClassicGroupState } from "./classic-group-state.ts";
import type { SyncEvent } from "./classic-messages.ts";
import { selectProtocol, type GroupMember } from "./group-member.ts";
import type { GroupRecord } from "./group-metadata.ts";

/** A refused record of an emptied group is written again after this. */
const RETRY_MS: Millis = 1_000;
const NO_BYTES = new Uint8Array(0);

/** Members have changed or ask for it: begins a round unless one runs, and ends it if nobody is missing. */
export function rebalance(group: ClassicGroupState, at: Moment): Outcome<GroupRecord> {
  return settle(group, true, at);
}

/** After an event that may have `changed` the members: ends the round that runs, or begins one, if it is time. */
export function settle(
  group: ClassicGroupState,
  changed: boolean,
  at: Moment,
): Outcome<GroupRecord> {
  if (group.state === "PreparingRebalance") endRoundIfAllJoined(group, at);
  else if (changed && (group.state !== "Empty" || group.members.size > 0)) beginRound(group, at);
  return group.outcome();
}

function beginRound(group: ClassicGroupState, at: Moment): void {
  if (group.state === "CompletingRebalance") group.dropSyncs(ErrorCode.REBALANCE_IN_PROGRESS);
  group.owesSync.clear();
  group.syncDeadline = Infinity;
  const first = group.state === "Empty";
  group.state = "PreparingRebalance";
  group.newMemberAdded = false;
  const timeout = group.members.rebalanceTimeoutMs();
  const delay = group.config.initialRebalanceDelayMs;
  if (first && delay > 0) {
    // Members of a starting application come one after the other: one round for all instead of one for each.
    group.initialDelayLeft = Math.max(0, timeout - delay);
    group.joinDeadline = group.arm(at.now + delay);
    return;
  }
  group.initialDelayLeft = undefined;
  group.joinDeadline = group.arm(at.now + timeout);
  endRoundIfAllJoined(group, at);
}

function endRoundIfAllJoined(group: ClassicGroupState, at: Moment): void {
  if (group.initialDelayLeft !== undefined && group.members.size > 0) return;
  if (group.members.pending.size > 0) return;
  for (const member of group.members.byId.values()) if (member.join === undefined) return;
  endRound(group, at);
}

/** The join deadline, or everybody is there: a new generation of those who came, unless the first round goes on. */
export function endRound(group: ClassicGroupState, at: Moment): void {
  if (prolonged(group, at)) return;
  group.initialDelayLeft = undefined;
  for (const member of group.members.list()) {
    // A static member may be restarting: its session decides, not this round.
    if (member.join === undefined && member.groupInstanceId === null) {
      group.remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
  }
  if (group.members.size === 0) {
    // Stays in this state until the record is replayed; tried again if it is refused.
    group.joinDeadline = group.arm(at.now + RETRY_MS);
    const empty = {
      generation: group.generation + 1,
      protocolType: group.protocolType,
      protocol: null,
      leader: null,
    };
    group.write(groupMetadata(empty, [], at.wall, () => NO_BYTES));
    return;
  }
  const joined = group.members.list().filter((member) => member.join !== undefined);
  const [someone] = joined;
  if (someone === undefined) {
    group.joinDeadline = group.arm(at.now + group.members.rebalanceTimeoutMs());
    return;
  }
  if (group.members.get(group.leader)?.join === undefined) group.leader = someone.memberId;
  group.generation += 1;
  group.protocol = present(
    selectProtocol(group.members.byId.values()),
    "members agree on a protocol",
  );
  group.state = "CompletingRebalance";
  group.joinDeadline = Infinity;
  for (const member of joined) {
    const answer = joinAnswer(group, member, group.members.byId.values());
    group.push(reply(present(member.join, "it waits"), answer));
    member.join = undefined;
    member.isNew = false;
    group.owesSync.add(member.memberId);
    group.renew(member, at);
  }
  group.syncDeadline = group.arm(at.now + group.members.rebalanceTimeoutMs());
}

/** In the first round each newcomer gives those after it another delay, up to the rebalance timeout in all. */
function prolonged(group: ClassicGroupState, at: Moment): boolean {
  const left = group.initialDelayLeft;
  if (left === undefined || left <= 0 || !group.newMemberAdded) return false;
  const more = Math.min(group.config.initialRebalanceDelayMs, left);
  group.newMemberAdded = false;
  group.initialDelayLeft = left - more;
  group.joinDeadline = group.arm(at.now + more);
  return true;
}

/** The leader's assignment: recorded, and in force for everybody once replayed. */
export function assign(
  group: ClassicGroupState,
  event: SyncEvent,
  at: Moment,
): Outcome<GroupRecord> {
  const given = new Map(event.assignments.map((each) => [each.memberId, each.assignment]));
  const assignmentOf = (member: GroupMember): Uint8Array => given.get(member.memberId) ?? NO_BYTES;
  const value = groupMetadata(group, group.members.list(), at.wall, assignmentOf);
  const waiting = group.members.list().filter((member) => member.sync !== undefined);
  const { replies } = group.outcome();
  const assigned = waiting.flatMap((member) =>
    member.sync === undefined ? [] : [reply(member.sync, syncAnswer(group, assignmentOf(member)))],
  );
  return {
    records: [group.recordOf(value)],
    replies: [...replies, ...assigned],
    replayed: () => {
      for (const member of waiting) member.sync = undefined;
    },
    refused: (errorCode, moment) => {
      group.push(...replies);
      group.dropSyncs(errorCode);
      beginRound(group, moment);
      return group.outcome();
    },
  };
}
