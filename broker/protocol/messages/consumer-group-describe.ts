// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  string,
  struct,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const consumerGroupDescribeRequest = defineMessage(
  {
    name: "ConsumerGroupDescribeRequest",
    apiKey: 69,
    kind: "request",
    versions: "0-1",
    flexible: 0,
  },
  {
    groupIds: array("0+", string("0+")),
    includeAuthorizedOperations: boolean("0+"),
  },
);
export type ConsumerGroupDescribeRequest = MessageOf<typeof consumerGroupDescribeRequest>;

export const consumerGroupDescribeResponse = defineMessage(
  {
    name: "ConsumerGroupDescribeResponse",
    apiKey: 69,
    kind: "response",
    versions: "0-1",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    groups: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+", default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      groupEpoch: int32("0+"),
      assignmentEpoch: int32("0+"),
      assignorName: string("0+"),
      members: structs("0+", {
        memberId: string("0+"),
        instanceId: nullableString("0+", { nullable: "0+", default: null }),
        rackId: nullableString("0+", { nullable: "0+", default: null }),
        memberEpoch: int32("0+"),
        clientId: string("0+"),
        clientHost: string("0+"),
        subscribedTopicNames: array("0+", string("0+")),
        subscribedTopicRegex: nullableString("0+", { nullable: "0+", default: null }),
        assignment: struct("0+", {
          topicPartitions: structs("0+", {
            topicId: uuid("0+"),
            topicName: string("0+"),
            partitions: array("0+", int32("0+")),
          }),
        }),
        targetAssignment: struct("0+", {
          topicPartitions: structs("0+", {
            topicId: uuid("0+"),
            topicName: string("0+"),
            partitions: array("0+", int32("0+")),
          }),
        }),
        memberType: int8("1+", { default: -1 }),
      }),
      authorizedOperations: int32("0+", { default: -2147483648 }),
    }),
  },
);
export type ConsumerGroupDescribeResponse = MessageOf<typeof consumerGroupDescribeResponse>;
