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
      const byId = topicId === ZERO_UUID ? undefined : metadata.topicsById.get(topicId);
      if (byId === undefined && topicId !== ZERO_UUID) {
        return { name, topicId, errorCode: ErrorCode.UNKNOWN_TOPIC_ID };
      }
      const named = byId?.name ?? name ?? "";
      try {
        const deleted = await topicAdmin.deleteTopic(named, request.timeoutMs);
        return { name: named, topicId: deleted.topicId, errorCode: ErrorCode.NONE };
      } catch (error) {
        const errorCode = codeOf(error);
        return { name: named, topicId, errorCode, errorMessage: messageOf(error) };
      }
    }),
  );
  return { responses };
};
