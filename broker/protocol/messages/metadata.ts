// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  nullableString,
  nullableStructs,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const metadataRequest = defineMessage(
  { name: "MetadataRequest", apiKey: 3, kind: "request", versions: "0-13", flexible: 9 },
  {
    topics: nullableStructs(
      "0+",
      {
        topicId: uuid("10+"),
        name: nullableString("0+", { nullable: "10+" }),
      },
      { nullable: "1+" },
    ),
    allowAutoTopicCreation: boolean("4+", { default: true }),
    includeClusterAuthorizedOperations: boolean("8-10"),
    includeTopicAuthorizedOperations: boolean("8+"),
  },
);
export type MetadataRequest = MessageOf<typeof metadataRequest>;

export const metadataResponse = defineMessage(
  { name: "MetadataResponse", apiKey: 3, kind: "response", versions: "0-13", flexible: 9 },
  {
    throttleTimeMs: int32("3+"),
    brokers: structs("0+", {
      nodeId: int32("0+"),
      host: string("0+"),
      port: int32("0+"),
      rack: nullableString("1+", { nullable: "1+", default: null }),
    }),
    clusterId: nullableString("2+", { nullable: "2+", default: null }),
    controllerId: int32("1+", { default: -1 }),
    topics: structs("0+", {
      errorCode: int16("0+"),
      name: nullableString("0+", { nullable: "12+" }),
      topicId: uuid("10+"),
      isInternal: boolean("1+"),
      partitions: structs("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("7+", { default: -1 }),
        replicaNodes: array("0+", int32("0+")),
        isrNodes: array("0+", int32("0+")),
        offlineReplicas: array("5+", int32("0+")),
      }),
      topicAuthorizedOperations: int32("8+", { default: -2147483648 }),
    }),
    clusterAuthorizedOperations: int32("8-10", { default: -2147483648 }),
    errorCode: int16("13+"),
  },
);
export type MetadataResponse = MessageOf<typeof metadataResponse>;
