import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { ListGroupsRequest, ListGroupsResponse } from "../protocol/messages/list-groups.ts";
import type { Handler } from "./handler.ts";

/** ListGroups 0 to 5: filters by state (4, KIP-518) and by type (5, KIP-848), without regard to case. */
export const handleListGroups: Handler<ListGroupsRequest, ListGroupsResponse> = async (
  context,
  request,
  version,
) => {
  const listed = await orErrorCode(context.services.groups.list());
  if (!listed.ok) return { throttleTimeMs: 0, errorCode: listed.errorCode, groups: [] };
  const states = new Set(
    (version >= 4 ? request.statesFilter : []).map((each) => each.toLowerCase()),
  );
  const types = new Set(
    (version >= 5 ? request.typesFilter : []).map((each) => each.toLowerCase()),
  );
  const groups = listed.value
    .filter((group) => states.size === 0 || states.has(group.state.toLowerCase()))
    .filter(() => types.size === 0 || types.has("classic"))
    .map(({ groupId, protocolType, state }) => ({
      groupId,
      protocolType,
      groupState: state,
      groupType: "classic",
    }));
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups };
};
