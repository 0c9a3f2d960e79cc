import { syncRefused } from "../coordinator/group/classic-messages.ts";
import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../protocol/messages/sync-group.ts";
import type { Handler } from "./handler.ts";

/** SyncGroup 0 to 5: KIP-345 (3), KIP-559 protocol type and name (5). */
export const handleSyncGroup: Handler<SyncGroupRequest, SyncGroupResponse> = async (
  context,
  request,
  version,
) => {
  const {
    groupId,
    memberId,
    groupInstanceId,
    generationId,
    protocolType,
    protocolName,
    assignments,
  } = request;
  if (version >= 5 && (protocolType === null || protocolName === null)) {
    return { throttleTimeMs: 0, ...syncRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL) };
  }
  const synced = await orErrorCode(
    context.services.groups.sync(groupId, {
      memberId,
      groupInstanceId,
      generationId,
      protocolType,
      protocolName,
      // Copied: the group keeps them longer than the request's buffer may be kept.
      assignments: assignments.map((each) => ({
        memberId: each.memberId,
        assignment: each.assignment.slice(),
      })),
    }),
  );
  return { throttleTimeMs: 0, ...(synced.ok ? synced.value : syncRefused(synced.errorCode)) };
};
