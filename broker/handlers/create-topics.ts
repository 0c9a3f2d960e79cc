import { duplicates } from "../../lib/duplicates.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  CreateTopicsRequest,
  createTopicsResponse,
} from "../protocol/messages/create-topics.ts";
import type { InputOf } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import { TOPIC_CONFIGS, topicConfigValue } from "../topic-config.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

type Response = InputOf<typeof createTopicsResponse>;
type TopicAnswer = NonNullable<Response["topics"]>[number];
type Wanted = CreateTopicsRequest["topics"][number];

export const handleCreateTopics: Handler<CreateTopicsRequest, Response> = async (
  context,
  request,
) => {
  const twice = duplicates(request.topics.map((topic) => topic.name));
  const byName = new Map(request.topics.map((topic) => [topic.name, topic]));
  const topics = await Promise.all(
    [...byName.values()].map(async (topic): Promise<TopicAnswer> => {
      try {
        if (twice.has(topic.name)) {
          throw new ProtocolError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.");
        }
        return await create(context, topic, request);
      } catch (error) {
        return {
          name: topic.name,
          errorCode: codeOf(error),
          errorMessage: messageOf(error),
          configs: null,
        };
      }
    }),
  );
  return { topics };
};

async function create(
  context: RequestContext,
  topic: Wanted,
  request: CreateTopicsRequest,
): Promise<TopicAnswer> {
  const { topicAdmin, metadata, config } = context.services;
  const assignments = [...topic.assignments].sort((a, b) => a.partitionIndex - b.partitionIndex);
  if (assignments.length > 0 && (topic.numPartitions !== -1 || topic.replicationFactor !== -1)) {
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      "Both numPartitions or replicationFactor and replicasAssignments were set.",
    );
  }
  if (assignments.some((one, i) => one.partitionIndex !== i)) {
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      "partitions are not consecutive from 0",
    );
  }
  const own = new Map<string, string>();
  for (const { name, value } of topic.configs) {
    if (value === null)
      throw new ProtocolError(ErrorCode.INVALID_CONFIG, `Null value for ${name}.`);
    own.set(name, value);
  }
  await topicAdmin.createTopic(
    {
      name: topic.name,
      partitions: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
      assignments: assignments.map((one) => one.brokerIds),
      config: own,
      validateOnly: request.validateOnly,
    },
    request.timeoutMs,
  );
  const image = metadata.topics.get(topic.name);
  return {
    name: topic.name,
    ...(image === undefined ? {} : { topicId: image.topicId }),
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    numPartitions: image?.partitions.length ?? topic.numPartitions,
    replicationFactor: image?.partitions[0]?.replicas.length ?? topic.replicationFactor,
    configs: TOPIC_CONFIGS.map(({ name }) => ({
      name,
      value: topicConfigValue(name, own, config),
      configSource: own.has(name) ? 1 : 5,
    })),
  };
}
