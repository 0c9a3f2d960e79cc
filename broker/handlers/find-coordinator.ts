import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode, errorName } from "../protocol/error-codes.ts";
import type {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from "../protocol/messages/find-coordinator.ts";
import type { Handler, RequestContext } from "./handler.ts";

const GROUP = 0;
type Coordinator = FindCoordinatorResponse["coordinators"][number];

/**
 * FindCoordinator: one key up to version 3, many from 4 on (KIP-699). Key type 0 (group) only: transactions (1) and share
 * groups (2) are not served, and are refused with UNSUPPORTED_VERSION, which no client retries.
 */
export const handleFindCoordinator: Handler<
  FindCoordinatorRequest,
  FindCoordinatorResponse
> = async (context, request, version) => {
  const keys = version >= 4 ? request.coordinatorKeys : [request.key];
  const coordinators = await Promise.all(keys.map((key) => find(context, key, request.keyType)));
  const [first] = coordinators;
  if (version >= 4 || first === undefined) {
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: "",
      nodeId: -1,
      host: "",
      port: -1,
      coordinators,
    };
  }
  return { throttleTimeMs: 0, ...first, coordinators: [] };
};

async function find(context: RequestContext, key: string, keyType: number): Promise<Coordinator> {
  if (keyType !== GROUP) {
    const what =
      keyType === 1 ? "transactions are not supported" : "only groups have a coordinator";
    return refused(key, ErrorCode.UNSUPPORTED_VERSION, what);
  }
  const found = await orErrorCode(context.services.groups.findCoordinator(key));
  if (!found.ok) return refused(key, found.errorCode);
  const endpoint = found.value.endpoints.find((each) => each.name === context.listener);
  if (endpoint === undefined) return refused(key, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  const { host, port } = endpoint;
  return { key, nodeId: found.value.id, host, port, errorCode: ErrorCode.NONE, errorMessage: "" };
}

function refused(key: string, errorCode: number, errorMessage = errorName(errorCode)): Coordinator {
  return { key, nodeId: -1, host: "", port: -1, errorCode, errorMessage };
}
