import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  CreatePartitionsRequest,
  createPartitionsResponse,
} from "../protocol/messages/create-partitions.ts";
import type { InputOf } from "../protocol/schema.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler } from "./handler.ts";

export const handleCreatePartitions: Handler<
  CreatePartitionsRequest,
  InputOf<typeof createPartitionsResponse>
> = async ({ services }, request) => {
  const results = await Promise.all(
    request.topics.map(async ({ name, count, assignments }) => {
      try {
        await services.topicAdmin.createPartitions(
          name,
          count,
          assignments?.map((one) => one.brokerIds),
          request.validateOnly,
          request.timeoutMs,
        );
        return { name, errorCode: ErrorCode.NONE };
      } catch (error) {
        return { name, errorCode: codeOf(error), errorMessage: messageOf(error) };
      }
    }),
  );
  return { results };
};
