import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DeleteTopicsRequest,
  deleteTopicsResponse,
} from "../protocol/messages/delete-topics.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler } from "./handler.ts";

export const handleDeleteTopics: Handler<
  DeleteTopicsRequest,
  InputOf<typeof deleteTopicsResponse>
> = async ({ services }, request, version) => {
  const { metadata, topicAdmin } = services;
  const wanted =
    version >= 6
      ? request.topics
      : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const responses = await Promise.all(
    wanted.map(async ({ name, topicId }) => {
      const byId = topicId !== ZERO_UUID;
      const image = byId ? metadata.topicsById.get(topicId) : metadata.topics.get(name ?? "");
      if (image === undefined) {
        const errorCode = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        return { name, topicId, errorCode };
      }
      try {
        await topicAdmin.deleteTopic(image.name, request.timeoutMs);
        return { name: image.name, topicId: image.topicId, errorCode: ErrorCode.NONE };
      } catch (error) {
        return {
          name: image.name,
          topicId: image.topicId,
          errorCode: codeOf(error),
          errorMessage: messageOf(error),
        };
      }
    }),
  );
  return { responses };
};
