import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "../protocol/messages/describe-topic-partitions.ts";
import type { InputOf } from "../protocol/schema.ts";
import { topicNameRefusal } from "../topic-admin.ts";
import type { Handler } from "./handler.ts";

type Response = InputOf<typeof describeTopicPartitionsResponse>;
type TopicAnswer = NonNullable<Response["topics"]>[number];

const MAX_PARTITIONS = 2000;

/** Topics with their partitions, a bounded number at a time, in order of names (KIP-966). */
export const handleDescribeTopicPartitions: Handler<DescribeTopicPartitionsRequest, Response> = (
  { services },
  request,
) => {
  const { metadata } = services;
  const { cursor } = request;
  const asked =
    request.topics.length === 0
      ? [...metadata.topics.keys()]
      : request.topics.map((topic) => topic.name);
  const names = [...new Set(asked)]
    .sort()
    .filter((name) => cursor === null || name >= cursor.topicName);
  let left = Math.max(1, Math.min(request.responsePartitionLimit, MAX_PARTITIONS));
  const topics: TopicAnswer[] = [];
  for (const name of names) {
    const topic = metadata.topics.get(name);
    if (topic === undefined) {
      const errorCode =
        topicNameRefusal(name) === undefined
          ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : ErrorCode.INVALID_TOPIC_EXCEPTION;
      topics.push({ errorCode, name, partitions: [] });
      continue;
    }
    const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
    if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: from } };
    const some = topic.partitions.slice(from, from + left);
    left -= some.length;
    topics.push({
      errorCode: ErrorCode.NONE,
      name,
      topicId: topic.topicId,
      isInternal: topic.internal,
      partitions: some.map((one) => ({
        errorCode: one.leader < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
        partitionIndex: one.partition,
        leaderId: one.leader,
        leaderEpoch: one.leaderEpoch,
        replicaNodes: one.replicas,
        isrNodes: one.isr,
        eligibleLeaderReplicas: one.elr,
        lastKnownElr: [],
        offlineReplicas: one.replicas.filter((id) => metadata.brokers.get(id)?.fenced !== false),
      })),
    });
    if (from + some.length < topic.partitions.length) {
      return { topics, nextCursor: { topicName: name, partitionIndex: from + some.length } };
    }
  }
  return { topics, nextCursor: null };
};
