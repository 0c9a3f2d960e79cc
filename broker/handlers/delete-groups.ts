import { orErrorCode } from "../coordinator/refused.ts";
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from "../protocol/messages/delete-groups.ts";
import type { Handler } from "./handler.ts";

/** DeleteGroups 0 to 3: groups without members, with their offsets. */
export const handleDeleteGroups: Handler<DeleteGroupsRequest, DeleteGroupsResponse> = async (
  context,
  request,
) => ({
  throttleTimeMs: 0,
  results: await Promise.all(
    [...new Set(request.groupsNames)].map(async (groupId) => {
      const deleted = await orErrorCode(context.services.groups.deleteGroup(groupId));
      const errorCode = deleted.ok ? deleted.value : deleted.errorCode;
      return { groupId, errorCode, errorMessage: null };
    }),
  ),
});
