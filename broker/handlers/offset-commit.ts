import type { OffsetToCommit } from "../coordinator/group/group-shard.ts";
import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from "../protocol/messages/offset-commit.ts";
import type { Handler } from "./handler.ts";

/** OffsetCommit 2 to 10: retention time (2 to 4), leader epoch (6), static members (7), topic ids (10, KIP-848). */
export const handleOffsetCommit: Handler<OffsetCommitRequest, OffsetCommitResponse> = async (
  context,
  request,
  version,
) => {
  const { groups, metadata, environment } = context.services;
  const now = environment.scheduler.wallNow();
  const retentionMs = version <= 4 ? request.retentionTimeMs : -1;
  const accepted: OffsetToCommit[] = [];
  const topics = request.topics.map(({ name, topicId, partitions }) => {
    const topic = version >= 10 ? metadata.topicsById.get(topicId) : metadata.topics.get(name);
    return {
      name: topic?.name ?? name,
      topicId,
      partitions: partitions.map((each) => {
        const { partitionIndex } = each;
        const text = each.committedMetadata ?? "";
        if (topic === undefined) {
          const errorCode =
            version >= 10 ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
          return { partitionIndex, errorCode };
        }
        if (partitionIndex < 0 || partitionIndex >= topic.partitions.length) {
          return { partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
        }
        if (text.length > groups.config.maxOffsetMetadataBytes) {
          return { partitionIndex, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE };
        }
        accepted.push({
          topic: topic.name,
          partition: partitionIndex,
          value: {
            offset: each.committedOffset,
            leaderEpoch: each.committedLeaderEpoch,
            metadata: text,
            commitTimestamp: now,
            expireTimestamp: retentionMs >= 0 ? now + retentionMs : -1,
            topicId: topic.topicId,
          },
        });
        return { partitionIndex, errorCode: undefined };
      }),
    };
  });
  const committed = await orErrorCode(
    groups.commitOffsets({
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      generationId: request.generationIdOrMemberEpoch,
      offsets: accepted,
      unknownGroupError: version >= 9 ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION,
    }),
  );
  const code = committed.ok ? committed.value : committed.errorCode;
  // The only fault of a record batch that a client can cause here is its size.
  const errorCode =
    code === ErrorCode.UNKNOWN_SERVER_ERROR ? ErrorCode.INVALID_COMMIT_OFFSET_SIZE : code;
  return {
    throttleTimeMs: 0,
    topics: topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((each) => ({
        ...each,
        errorCode: each.errorCode ?? errorCode,
      })),
    })),
  };
};
