import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeProducersRequest,
  describeProducersResponse,
} from "../protocol/messages/describe-producers.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { codeOf, messageOf, partitionOf } from "./common.ts";
import type { Handler } from "./handler.ts";

/** Producers whose sequences this broker's replica knows, the leader's or a follower's (KIP-664). */
export const handleDescribeProducers: Handler<
  DescribeProducersRequest,
  InputOf<typeof describeProducersResponse>
> = (context, request) => ({
  topics: request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      try {
        const { log } = partitionOf(context, name, ZERO_UUID, partitionIndex);
        return {
          partitionIndex,
          errorCode: ErrorCode.NONE,
          activeProducers: log.activeProducers(),
        };
      } catch (error) {
        const errorCode = codeOf(error);
        return { partitionIndex, errorCode, errorMessage: messageOf(error), activeProducers: [] };
      }
    }),
  })),
});
