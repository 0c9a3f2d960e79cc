import { orErrorCode } from "../coordinator/refused.ts";
import type { HeartbeatRequest, HeartbeatResponse } from "../protocol/messages/heartbeat.ts";
import type { Handler } from "./handler.ts";

/** Heartbeat 0 to 4, of classic groups. */
export const handleHeartbeat: Handler<HeartbeatRequest, HeartbeatResponse> = async (
  context,
  request,
) => {
  const { groupId, memberId, groupInstanceId, generationId } = request;
  const beat = await orErrorCode(
    context.services.groups.heartbeat(groupId, { memberId, groupInstanceId, generationId }),
  );
  return { throttleTimeMs: 0, errorCode: beat.ok ? beat.value : beat.errorCode };
};
