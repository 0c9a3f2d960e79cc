import { duplicates } from "../../lib/duplicates.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  AlterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../protocol/messages/alter-partition-reassignments.ts";
import type { InputOf } from "../protocol/schema.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

type Response = InputOf<typeof alterPartitionReassignmentsResponse>;
type TopicAnswer = NonNullable<Response["responses"]>[number];
type Asked = AlterPartitionReassignmentsRequest["topics"][number];

/** Wishes where replicas are to be go into the Topics, and the operator sees to them (KIP-455, KIP-860). */
export const handleAlterPartitionReassignments: Handler<
  AlterPartitionReassignmentsRequest,
  Response
> = async (context, { topics, timeoutMs, allowReplicationFactorChange }) => {
  const twice = duplicates(topics.map(({ name }) => name));
  const responses = await Promise.all(
    topics.map((topic) =>
      reassigned(context, topic, twice, allowReplicationFactorChange, timeoutMs),
    ),
  );
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    allowReplicationFactorChange,
    responses,
  };
};

async function reassigned(
  { services }: RequestContext,
  topic: Asked,
  twice: ReadonlySet<string>,
  mayChangeCount: boolean,
  timeoutMs: number,
): Promise<TopicAnswer> {
  const { name, partitions } = topic;
  try {
    if (twice.has(name)) {
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.");
    }
    const wishes = partitions.map(({ partitionIndex, replicas }) => ({
      partition: partitionIndex,
      replicas,
    }));
    const { topicAdmin } = services;
    const refused = await topicAdmin.reassign(name, wishes, mayChangeCount, timeoutMs);
    return {
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const error = refused.get(partitionIndex);
        return {
          partitionIndex,
          errorCode: error?.errorCode ?? ErrorCode.NONE,
          errorMessage: error?.message ?? null,
        };
      }),
    };
  } catch (error) {
    return refusedTopic(topic, error);
  }
}

function refusedTopic({ name, partitions }: Asked, error: unknown): TopicAnswer {
  const errorCode = codeOf(error);
  const errorMessage = messageOf(error);
  return {
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode,
      errorMessage,
    })),
  };
}
