import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DeleteRecordsRequest,
  deleteRecordsResponse,
} from "../protocol/messages/delete-records.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import { codeOf, partitionOf } from "./common.ts";
import type { Handler } from "./handler.ts";

const HIGH_WATERMARK = -1;

/**
 * Raises the log start (KIP-107), durable on the leader before the answer; followers follow with their next fetch. The low
 * watermark answered is the leader's.
 */
export const handleDeleteRecords: Handler<
  DeleteRecordsRequest,
  InputOf<typeof deleteRecordsResponse>
> = async (context, request) => {
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => {
      try {
        const partition = partitionOf(context, name, ZERO_UUID, partitionIndex);
        partition.requireLeader();
        const wanted = offset === HIGH_WATERMARK ? partition.highWatermark : offset;
        if (wanted < 0 || wanted > partition.highWatermark) {
          throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
        }
        partition.log.raiseLogStart(wanted);
        return {
          partitionIndex,
          lowWatermark: partition.log.logStartOffset,
          errorCode: ErrorCode.NONE,
        };
      } catch (error) {
        return { partitionIndex, lowWatermark: -1, errorCode: codeOf(error) };
      }
    }),
  }));
  await context.services.replicas.flush();
  return { topics };
};
