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
      protocols: request.protocols,
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
    // Not nullable before version 7.
    protocolName: answer.protocolName ?? (version >= 7 ? null : ""),
  };
};
