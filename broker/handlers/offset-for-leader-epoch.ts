import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  OffsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "../protocol/messages/offset-for-leader-epoch.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
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
        const end = hosted.log.endOfEpoch(leaderEpoch);
        // A consumer may see nothing beyond the high watermark.
        const endOffset = end.endOffset < 0 ? -1 : Math.min(end.endOffset, hosted.highWatermark);
        return { errorCode: ErrorCode.NONE, partition, leaderEpoch: end.leaderEpoch, endOffset };
      } catch (error) {
        return { errorCode: codeOf(error), partition };
      }
    }),
  })),
});
