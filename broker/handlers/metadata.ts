import type { BrokerId } from "../../cluster/broker.ts";
import { NO_LEADER } from "../../cluster/partition-slice.ts";
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

/** Topics that one request may have created; of the others the client hears that they come, and asks again. */
const AUTO_CREATED = 20;
/** First version that says which topics may be created, and one in which a client is sent to its bootstrap servers. */
const ASKS_FOR_CREATION = 4;
const REBOOTSTRAP = 13;
/** First version that says that a leader has no address for the listener that was asked. */
const TELLS_OF_LISTENERS = 6;

/**
 * Brokers, topics, leaders. A topic that is asked for and missing is created where the configuration allows it. Where
 * this broker knows of none that the client could go to, the client begins at its bootstrap servers again (KIP-1102).
 */
export const handleMetadata: Handler<MetadataRequest, Response> = async (
  context,
  request,
  version,
) => {
  const { services } = context;
  const { metadata } = services;
  const all = request.topics === null || (version === 0 && request.topics.length === 0);
  let toCreate =
    version < ASKS_FOR_CREATION || request.allowAutoTopicCreation ? AUTO_CREATED : undefined;
  const asked = new Map(
    (request.topics ?? []).map((one) => [`${one.topicId}/${one.name ?? ""}`, one]),
  );
  const topics: TopicAnswer[] = all
    ? [...metadata.topics.values()]
        .map((topic) => describe(context, topic, version))
        .filter(({ errorCode }) => errorCode === ErrorCode.NONE)
    : await Promise.all(
        [...asked.values()].map(({ name, topicId }) =>
          answerFor(context, version, name, topicId, () => {
            if (toCreate === undefined) return "not-allowed";
            return toCreate-- > 0 ? "now" : "later";
          }),
        ),
      );
  const brokers = [...metadata.brokers.values()].flatMap((broker) => {
    const endpoint = broker.fenced ? undefined : endpointOf(metadata, broker.id, context.listener);
    if (endpoint === undefined) return [];
    return [
      { nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack ?? null },
    ];
  });
  const lost = version >= REBOOTSTRAP && brokers.length === 0;
  return {
    errorCode: lost ? ErrorCode.REBOOTSTRAP_REQUIRED : ErrorCode.NONE,
    brokers,
    clusterId: metadata.clusterId,
    controllerId: metadata.controllerId,
    topics,
  };
};

async function answerFor(
  context: RequestContext,
  version: number,
  name: string | null,
  topicId: string,
  mayCreate: () => "now" | "later" | "not-allowed",
): Promise<TopicAnswer> {
  const { metadata, config, topicAdmin } = context.services;
  if (topicId !== ZERO_UUID) {
    const byId = metadata.topicsById.get(topicId);
    return byId === undefined
      ? { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId }
      : describe(context, byId, version);
  }
  if (name === null) return { errorCode: ErrorCode.INVALID_REQUEST, name: null };
  const known = metadata.topics.get(name);
  if (known !== undefined) return describe(context, known, version);
  if (topicNameRefusal(name) !== undefined)
    return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, name };
  const creation = config.flag("auto.create.topics.enable") ? mayCreate() : "not-allowed";
  if (creation === "not-allowed") return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name };
  if (creation === "later") return { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, name };
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
    : describe(context, created, version);
}

/**
 * A partition is told of once it has had a leader: in Kafka one is never there without, and some clients give up on one
 * that is. Placed by the operator, it is here for a moment before the controller has chosen.
 */
function describe(context: RequestContext, topic: TopicImage, version: number): TopicAnswer {
  const { metadata } = context.services;
  const { brokers } = metadata;
  const pending = topic.partitions.findIndex(({ partitionEpoch }) => partitionEpoch < 0);
  const unreachable =
    version >= TELLS_OF_LISTENERS ? ErrorCode.LISTENER_NOT_FOUND : ErrorCode.LEADER_NOT_AVAILABLE;
  // A leader that serves, but cannot be reached by the listener that was asked, is none for this client.
  const leaderOf = (leaderId: BrokerId): { errorCode: number; leaderId: BrokerId } => {
    if (leaderId < 0) return { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, leaderId };
    const reached = endpointOf(metadata, leaderId, context.listener) !== undefined;
    if (reached || brokers.get(leaderId)?.fenced !== false)
      return { errorCode: ErrorCode.NONE, leaderId };
    return { errorCode: unreachable, leaderId: NO_LEADER };
  };
  const partitions = pending < 0 ? topic.partitions : topic.partitions.slice(0, pending);
  return {
    errorCode: partitions.length === 0 ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    partitions: partitions.map((one) => ({
      ...leaderOf(one.leader),
      partitionIndex: one.partition,
      leaderEpoch: one.leaderEpoch,
      replicaNodes: one.replicas,
      isrNodes: one.isr,
      offlineReplicas: one.replicas.filter((id) => brokers.get(id)?.fenced !== false),
    })),
  };
}
