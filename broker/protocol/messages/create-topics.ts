// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  nullableStructs,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const createTopicsRequest = defineMessage(
  { name: "CreateTopicsRequest", apiKey: 19, kind: "request", versions: "2-7", flexible: 5 },
  {
    topics: structs("0+", {
      name: string("0+"),
      numPartitions: int32("0+"),
      replicationFactor: int16("0+"),
      assignments: structs("0+", {
        partitionIndex: int32("0+"),
        brokerIds: array("0+", int32("0+")),
      }),
      configs: structs("0+", {
        name: string("0+"),
        value: nullableString("0+", { nullable: "0+" }),
      }),
    }),
    timeoutMs: int32("0+", { default: 60000 }),
    validateOnly: boolean("1+"),
  },
);
export type CreateTopicsRequest = MessageOf<typeof createTopicsRequest>;

export const createTopicsResponse = defineMessage(
  { name: "CreateTopicsResponse", apiKey: 19, kind: "response", versions: "2-7", flexible: 5 },
  {
    throttleTimeMs: int32("2+"),
    topics: structs("0+", {
      name: string("0+"),
      topicId: uuid("7+"),
      errorCode: int16("0+"),
      errorMessage: nullableString("1+", { nullable: "0+" }),
      topicConfigErrorCode: int16("5+", { tag: 0 }),
      numPartitions: int32("5+", { default: -1 }),
      replicationFactor: int16("5+", { default: -1 }),
      configs: nullableStructs(
        "5+",
        {
          name: string("5+"),
          value: nullableString("5+", { nullable: "5+" }),
          readOnly: boolean("5+"),
          configSource: int8("5+", { default: -1 }),
          isSensitive: boolean("5+"),
        },
        { nullable: "5+" },
      ),
    }),
  },
);
export type CreateTopicsResponse = MessageOf<typeof createTopicsResponse>;
