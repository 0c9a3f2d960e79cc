import { joinRefused } from "../coordinator/group/classic-messages.ts";
import { orErrorCode } from "../coordinator/refused.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../protocol/messages/join-group.ts";
import type { Handler } from "./handler.ts";

/** JoinGroup 0 to 9: KIP-62 (1), KIP-394 (4), KIP-345 (5), KIP-800 (8, the reason is not kept), KIP-814 (9). */
export const handleJoinGroup: Handler<JoinGroupRequest, JoinGroupResponse> = async (
  context,
  request,
  version,
) => {
  const { groupId, memberId, sessionTimeoutMs } = request;
  const joined = await orErrorCode(
    context.services.groups.join(groupId, {
      memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: context.clientId ?? "",
      clientHost: `/${context.clientHost}`,
      protocolType: request.protocolType,
      // Copied: the group keeps them longer than the request's buffer may be kept.
      protocols: request.protocols.map(({ name, metadata }) => ({
        name,
        metadata: metadata.slice(),
      })),
      sessionTimeoutMs,
      // Version 0 has no rebalance timeout of its own.
      rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      requireKnownMemberId: version >= 4,
      supportsSkipAssignment: version >= 9,
    }),
  );
  const answer = joined.ok ? joined.value : joinRefused(joined.errorCode, memberId);
  return {
    ...answer,
    throttleTimeMs: 0,
    members: [...answer.members],
    // Not nullable before version 7.
    protocolName: answer.protocolName ?? (version >= 7 ? null : ""),
  };
};
