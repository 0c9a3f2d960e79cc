// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  nullableString,
  nullableStructs,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const listPartitionReassignmentsRequest = defineMessage(
  {
    name: "ListPartitionReassignmentsRequest",
    apiKey: 46,
    kind: "request",
    versions: "0",
    flexible: 0,
  },
  {
    timeoutMs: int32("0+", { default: 60000 }),
    topics: nullableStructs(
      "0+",
      {
        name: string("0+"),
        partitionIndexes: array("0+", int32("0+")),
      },
      { nullable: "0+", default: null },
    ),
  },
);
export type ListPartitionReassignmentsRequest = MessageOf<typeof listPartitionReassignmentsRequest>;

export const listPartitionReassignmentsResponse = defineMessage(
  {
    name: "ListPartitionReassignmentsResponse",
    apiKey: 46,
    kind: "response",
    versions: "0",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+" }),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        replicas: array("0+", int32("0+")),
        addingReplicas: array("0+", int32("0+")),
        removingReplicas: array("0+", int32("0+")),
      }),
    }),
  },
);
export type ListPartitionReassignmentsResponse = MessageOf<
  typeof listPartitionReassignmentsResponse
>;
