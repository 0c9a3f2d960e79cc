import { ErrorCode } from "../protocol/error-codes.ts";
import type { MetadataRequest, metadataResponse } from "../protocol/messages/metadata.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import type { TopicImage } from "../metadata/view.ts";
import { topicNameRefusal } from "../topic-admin.ts";
import { endpointOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

type Response = InputOf<typeof metadataResponse>;
type TopicAnswer = NonNullable<Response["topics"]>[number];

const AUTO_CREATE_WAIT_MS = 3000;

/** Brokers, topics, leaders. A topic that is asked for and missing is created where the configuration allows it. */
export const handleMetadata: Handler<MetadataRequest, Response> = async (
  context,
  request,
  version,
) => {
  const { services } = context;
  const { metadata } = services;
  const all = request.topics === null || (version === 0 && request.topics.length === 0);
  const topics: TopicAnswer[] = all
    ? [...metadata.topics.values()].map((topic) => describe(context, topic))
    : await Promise.all(
        (request.topics ?? []).map(({ name, topicId }) =>
          answerFor(context, name, topicId, version < 4 || request.allowAutoTopicCreation),
        ),
      );
  const brokers = [...metadata.brokers.values()].flatMap((broker) => {
    const endpoint = broker.fenced ? undefined : endpointOf(metadata, broker.id, context.listener);
    if (endpoint === undefined) return [];
    return [
      { nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack ?? null },
    ];
  });
  return {
    brokers,
    clusterId: metadata.clusterId,
    controllerId: metadata.controllerId,
    topics,
  };
};

async function answerFor(
  context: RequestContext,
  name: string | null,
  topicId: string,
  mayCreate: boolean,
): Promise<TopicAnswer> {
  const { metadata, config, topicAdmin } = context.services;
  if (topicId !== ZERO_UUID) {
    const byId = metadata.topicsById.get(topicId);
    return byId === undefined
      ? { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId }
      : describe(context, byId);
  }
  if (name === null) return { errorCode: ErrorCode.INVALID_REQUEST, name: null };
  const known = metadata.topics.get(name);
  if (known !== undefined) return describe(context, known);
  if (topicNameRefusal(name) !== undefined)
    return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, name };
  if (!mayCreate || !config.flag("auto.create.topics.enable")) {
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name };
  }
  try {
    // Kafka answers LEADER_NOT_AVAILABLE and lets the client come again; creation is quick enough to wait for it.
    await topicAdmin.autoCreate(name, AUTO_CREATE_WAIT_MS);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const passing =
      error.errorCode === ErrorCode.REQUEST_TIMED_OUT ||
      error.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS;
    return { errorCode: passing ? ErrorCode.LEADER_NOT_AVAILABLE : error.errorCode, name };
  }
  const created = metadata.topics.get(name);
  return created === undefined
    ? { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, name }
    : describe(context, created);
}

function describe(context: RequestContext, topic: TopicImage): TopicAnswer {
  const { brokers } = context.services.metadata;
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    partitions: topic.partitions.map((one) => ({
      errorCode: one.leader < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
      partitionIndex: one.partition,
      leaderId: one.leader,
      leaderEpoch: one.leaderEpoch,
      replicaNodes: one.replicas,
      isrNodes: one.isr,
      offlineReplicas: one.replicas.filter((id) => brokers.get(id)?.fenced !== false),
    })),
  };
}
