import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../protocol/messages/leave-group.ts";
import type { Handler } from "./handler.ts";

/** LeaveGroup 0 to 5: one member up to version 2, many from 3 on (KIP-345). */
export const handleLeaveGroup: Handler<LeaveGroupRequest, LeaveGroupResponse> = async (
  context,
  request,
  version,
) => {
  const leaving =
    version >= 3 ? request.members : [{ memberId: request.memberId, groupInstanceId: null }];
  const left = await orErrorCode(
    context.services.groups.leave(
      request.groupId,
      leaving.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId })),
    ),
  );
  if (!left.ok) return { throttleTimeMs: 0, errorCode: left.errorCode, members: [] };
  const { members } = left.value;
  if (version >= 3) return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, members: [...members] };
  return { throttleTimeMs: 0, errorCode: members[0]?.errorCode ?? ErrorCode.NONE, members: [] };
};
