// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  defineMessage,
  int16,
  int32,
  int64,
  int8,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const listOffsetsRequest = defineMessage(
  { name: "ListOffsetsRequest", apiKey: 2, kind: "request", versions: "1-11", flexible: 6 },
  {
    replicaId: int32("0+"),
    isolationLevel: int8("2+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        currentLeaderEpoch: int32("4+", { default: -1 }),
        timestamp: int64("0+"),
      }),
    }),
    timeoutMs: int32("10+"),
  },
);
export type ListOffsetsRequest = MessageOf<typeof listOffsetsRequest>;

export const listOffsetsResponse = defineMessage(
  { name: "ListOffsetsResponse", apiKey: 2, kind: "response", versions: "1-11", flexible: 6 },
  {
    throttleTimeMs: int32("2+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        timestamp: int64("1+", { default: -1 }),
        offset: int64("1+", { default: -1 }),
        leaderEpoch: int32("4+", { default: -1 }),
      }),
    }),
  },
);
export type ListOffsetsResponse = MessageOf<typeof listOffsetsResponse>;
