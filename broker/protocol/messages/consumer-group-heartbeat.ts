// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  nullableArray,
  nullableString,
  nullableStruct,
  nullableStructs,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const consumerGroupHeartbeatRequest = defineMessage(
  {
    name: "ConsumerGroupHeartbeatRequest",
    apiKey: 68,
    kind: "request",
    versions: "0-1",
    flexible: 0,
  },
  {
    groupId: string("0+"),
    memberId: string("0+"),
    memberEpoch: int32("0+"),
    instanceId: nullableString("0+", { nullable: "0+", default: null }),
    rackId: nullableString("0+", { nullable: "0+", default: null }),
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    subscribedTopicNames: nullableArray("0+", string("0+"), { nullable: "0+", default: null }),
    subscribedTopicRegex: nullableString("1+", { nullable: "1+", default: null }),
    serverAssignor: nullableString("0+", { nullable: "0+", default: null }),
    topicPartitions: nullableStructs(
      "0+",
      {
        topicId: uuid("0+"),
        partitions: array("0+", int32("0+")),
      },
      { nullable: "0+", default: null },
    ),
  },
);
export type ConsumerGroupHeartbeatRequest = MessageOf<typeof consumerGroupHeartbeatRequest>;

export const consumerGroupHeartbeatResponse = defineMessage(
  {
    name: "ConsumerGroupHeartbeatResponse",
    apiKey: 68,
    kind: "response",
    versions: "0-1",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+", default: null }),
    memberId: nullableString("0+", { nullable: "0+", default: null }),
    memberEpoch: int32("0+"),
    heartbeatIntervalMs: int32("0+"),
    assignment: nullableStruct(
      "0+",
      {
        topicPartitions: structs("0+", {
          topicId: uuid("0+"),
          partitions: array("0+", int32("0+")),
        }),
      },
      { nullable: "0+", default: null },
    ),
  },
);
export type ConsumerGroupHeartbeatResponse = MessageOf<typeof consumerGroupHeartbeatResponse>;
