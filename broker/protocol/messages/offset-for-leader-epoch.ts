// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { defineMessage, int16, int32, int64, string, structs, type MessageOf } from "../schema.ts";

export const offsetForLeaderEpochRequest = defineMessage(
  {
    name: "OffsetForLeaderEpochRequest",
    apiKey: 23,
    kind: "request",
    versions: "2-4",
    flexible: 4,
  },
  {
    replicaId: int32("3+", { default: -2 }),
    topics: structs("0+", {
      topic: string("0+"),
      partitions: structs("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("2+", { default: -1 }),
        leaderEpoch: int32("0+"),
      }),
    }),
  },
);
export type OffsetForLeaderEpochRequest = MessageOf<typeof offsetForLeaderEpochRequest>;

export const offsetForLeaderEpochResponse = defineMessage(
  {
    name: "OffsetForLeaderEpochResponse",
    apiKey: 23,
    kind: "response",
    versions: "2-4",
    flexible: 4,
  },
  {
    throttleTimeMs: int32("2+"),
    topics: structs("0+", {
      topic: string("0+"),
      partitions: structs("0+", {
        errorCode: int16("0+"),
        partition: int32("0+"),
        leaderEpoch: int32("1+", { default: -1 }),
        endOffset: int64("0+", { default: -1 }),
      }),
    }),
  },
);
export type OffsetForLeaderEpochResponse = MessageOf<typeof offsetForLeaderEpochResponse>;
