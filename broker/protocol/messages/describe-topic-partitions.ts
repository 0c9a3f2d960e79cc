// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  nullableArray,
  nullableString,
  nullableStruct,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const describeTopicPartitionsRequest = defineMessage(
  {
    name: "DescribeTopicPartitionsRequest",
    apiKey: 75,
    kind: "request",
    versions: "0",
    flexible: 0,
  },
  {
    topics: structs("0+", {
      name: string("0+"),
    }),
    responsePartitionLimit: int32("0+", { default: 2000 }),
    cursor: nullableStruct(
      "0+",
      {
        topicName: string("0+"),
        partitionIndex: int32("0+"),
      },
      { nullable: "0+", default: null },
    ),
  },
);
export type DescribeTopicPartitionsRequest = MessageOf<typeof describeTopicPartitionsRequest>;

export const describeTopicPartitionsResponse = defineMessage(
  {
    name: "DescribeTopicPartitionsResponse",
    apiKey: 75,
    kind: "response",
    versions: "0",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    topics: structs("0+", {
      errorCode: int16("0+"),
      name: nullableString("0+", { nullable: "0+" }),
      topicId: uuid("0+"),
      isInternal: boolean("0+"),
      partitions: structs("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+", { default: -1 }),
        replicaNodes: array("0+", int32("0+")),
        isrNodes: array("0+", int32("0+")),
        eligibleLeaderReplicas: nullableArray("0+", int32("0+"), { nullable: "0+", default: null }),
        lastKnownElr: nullableArray("0+", int32("0+"), { nullable: "0+", default: null }),
        offlineReplicas: array("0+", int32("0+")),
      }),
      topicAuthorizedOperations: int32("0+", { default: -2147483648 }),
    }),
    nextCursor: nullableStruct(
      "0+",
      {
        topicName: string("0+"),
        partitionIndex: int32("0+"),
      },
      { nullable: "0+", default: null },
    ),
  },
);
export type DescribeTopicPartitionsResponse = MessageOf<typeof describeTopicPartitionsResponse>;
