import type { EpochMillis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import type { JoinAnswer, SyncAnswer } from "./classic-messages.ts";
import { metadataFor, type GroupMember } from "./group-member.ts";
import type { GroupMetadata } from "./group-metadata.ts";

/** A generation of a classic group: what all of its members agree on. */
export interface Generation {
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string | null;
}

/** The leader is told of all members and assigns; the others learn who leads. */
export function joinAnswer(
  generation: Generation,
  member: GroupMember,
  members: Iterable<GroupMember>,
): JoinAnswer {
  return {
    errorCode: ErrorCode.NONE,
    generationId: generation.generation,
    protocolType: generation.protocolType,
    protocolName: generation.protocol,
    leader: generation.leader ?? "",
    skipAssignment: false,
    memberId: member.memberId,
    members: member.memberId === generation.leader ? memberList(generation, members) : [],
  };
}

export function memberList(
  generation: Generation,
  members: Iterable<GroupMember>,
): JoinAnswer["members"] {
  return [...members].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataFor(member, generation.protocol ?? ""),
  }));
}

export function syncAnswer(generation: Generation, assignment: Uint8Array): SyncAnswer {
  return {
    errorCode: ErrorCode.NONE,
    protocolType: generation.protocolType,
    protocolName: generation.protocol,
    assignment,
  };
}

/** The generation as it is recorded. */
export function groupMetadata(
  generation: Generation,
  members: readonly GroupMember[],
  wall: EpochMillis,
  assignmentOf: (member: GroupMember) => Uint8Array,
): GroupMetadata {
  return {
    protocolType: generation.protocolType ?? "",
    generation: generation.generation,
    protocol: generation.protocol,
    leader: generation.leader,
    currentStateTimestamp: wall,
    members: members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      sessionTimeoutMs: member.sessionTimeoutMs,
      subscription: metadataFor(member, generation.protocol ?? ""),
      assignment: assignmentOf(member),
    })),
  };
}
