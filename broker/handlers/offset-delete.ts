import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from "../protocol/messages/offset-delete.ts";
import type { Handler } from "./handler.ts";

/** OffsetDelete 0 (KIP-496): offsets of topics that no member of the group subscribes to. */
export const handleOffsetDelete: Handler<OffsetDeleteRequest, OffsetDeleteResponse> = async (
  context,
  request,
) => {
  const wanted = request.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex })),
  );
  const deleted = await orErrorCode(context.services.groups.deleteOffsets(request.groupId, wanted));
  const errorCode = deleted.ok ? deleted.value.errorCode : deleted.errorCode;
  if (!deleted.ok || errorCode !== ErrorCode.NONE)
    return { errorCode, throttleTimeMs: 0, topics: [] };
  let at = 0;
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: deleted.value.partitions[at++] ?? ErrorCode.NONE,
    })),
  }));
  return { errorCode, throttleTimeMs: 0, topics };
};
