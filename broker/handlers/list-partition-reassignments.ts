import { chosenReplicas, reassignmentOf } from "../../cluster/assignments.ts";
import type { TopicImage } from "../metadata/view.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  ListPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "../protocol/messages/list-partition-reassignments.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";

type Response = InputOf<typeof listPartitionReassignmentsResponse>;
type TopicAnswer = NonNullable<Response["topics"]>[number];

/** Partitions whose replicas are on the move or are to be, whoever wished it: a client or the operator (KIP-455). */
export const handleListPartitionReassignments: Handler<
  ListPartitionReassignmentsRequest,
  Response
> = ({ services }, request) => {
  const { metadata } = services;
  const asked =
    request.topics === null
      ? [...metadata.topics.values()].map((topic) =>
          answerFor(topic, topic.partitions.keys(), metadata.brokerCount),
        )
      : request.topics.map(({ name, partitionIndexes }) =>
          answerFor(metadata.topics.get(name), partitionIndexes, metadata.brokerCount),
        );
  const topics = asked.filter(({ partitions }) => (partitions?.length ?? 0) > 0);
  return { errorCode: ErrorCode.NONE, errorMessage: null, topics };
};

function answerFor(
  topic: TopicImage | undefined,
  indexes: Iterable<number>,
  brokers: number,
): TopicAnswer {
  if (topic === undefined) return { name: "", partitions: [] };
  const partitions = [...new Set(indexes)].flatMap((partitionIndex) => {
    const image = topic.partitions[partitionIndex];
    if (image === undefined) return [];
    const chosen = chosenReplicas(topic.assignments, partitionIndex, brokers);
    const moving = reassignmentOf(image, chosen);
    if (moving === undefined) return [];
    return [
      {
        partitionIndex,
        replicas: moving.replicas,
        addingReplicas: moving.adding,
        removingReplicas: moving.removing,
      },
    ];
  });
  return { name: topic.name, partitions };
}
