import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from "../protocol/messages/describe-groups.ts";
import type { Handler, RequestContext } from "./handler.ts";

/** No authorizer: what a client may do is not told. */
const UNKNOWN_OPERATIONS = -2147483648;

/** DescribeGroups 0 to 6. A missing group is "Dead"; from version 6 on GROUP_ID_NOT_FOUND (KIP-1043). */
export const handleDescribeGroups: Handler<DescribeGroupsRequest, DescribeGroupsResponse> = async (
  context,
  request,
  version,
) => ({
  throttleTimeMs: 0,
  groups: await Promise.all(request.groups.map((groupId) => describe(context, groupId, version))),
});

async function describe(
  context: RequestContext,
  groupId: string,
  version: number,
): Promise<DescribeGroupsResponse["groups"][number]> {
  const empty = {
    errorMessage: null,
    groupId,
    groupState: "",
    protocolType: "",
    protocolData: "",
    members: [],
    authorizedOperations: UNKNOWN_OPERATIONS,
  };
  const described = await orErrorCode(context.services.groups.describe(groupId));
  if (!described.ok) return { ...empty, errorCode: described.errorCode };
  const group = described.value;
  if (group === undefined) {
    if (version < 6) return { ...empty, errorCode: ErrorCode.NONE, groupState: "Dead" };
    const errorMessage = `Group ${groupId} not found.`;
    return { ...empty, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage, groupState: "Dead" };
  }
  return {
    ...empty,
    errorCode: ErrorCode.NONE,
    groupState: group.state,
    protocolType: group.protocolType,
    protocolData: group.protocol,
    members: group.members.map(({ metadata, assignment, ...member }) => ({
      ...member,
      memberMetadata: metadata,
      memberAssignment: assignment,
    })),
  };
}
