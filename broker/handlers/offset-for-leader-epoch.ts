import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  OffsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "../protocol/messages/offset-for-leader-epoch.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import type { EpochEnd } from "../log/types.ts";
import type { HostedPartition } from "../replication/types.ts";
import { checkLeaderEpoch, codeOf, partitionOf } from "./common.ts";
import type { Handler } from "./handler.ts";

/** Where a leader epoch ends in the leader's log (KIP-101, KIP-320). */
export const handleOffsetForLeaderEpoch: Handler<
  OffsetForLeaderEpochRequest,
  InputOf<typeof offsetForLeaderEpochResponse>
> = (context, request) => ({
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      try {
        const hosted = partitionOf(context, topic, ZERO_UUID, partition);
        hosted.requireLeader();
        checkLeaderEpoch(currentLeaderEpoch, hosted);
        return { errorCode: ErrorCode.NONE, partition, ...endOf(hosted, leaderEpoch) };
      } catch (error) {
        return { errorCode: codeOf(error), partition };
      }
    }),
  })),
});

/**
 * A consumer may see nothing beyond the high watermark of the present epoch; while that one lags behind the epoch's
 * start its end cannot be told (KIP-207). An earlier epoch has ended where the log says, wherever the high watermark of
 * a new leader is: less would look like truncation to who has read to its end.
 */
function endOf(partition: HostedPartition, asked: number): EpochEnd {
  const { leaderEpoch, endOffset } = partition.log.endOfEpoch(asked);
  if (leaderEpoch !== partition.leaderEpoch) return { leaderEpoch, endOffset };
  if (partition.highWatermarkLags) throw new ProtocolError(ErrorCode.OFFSET_NOT_AVAILABLE);
  return { leaderEpoch, endOffset: Math.min(endOffset, partition.highWatermark) };
}
