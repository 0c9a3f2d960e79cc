// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const offsetCommitRequest = defineMessage(
  { name: "OffsetCommitRequest", apiKey: 8, kind: "request", versions: "2-10", flexible: 8 },
  {
    groupId: string("0+"),
    generationIdOrMemberEpoch: int32("1+", { default: -1 }),
    memberId: string("1+"),
    groupInstanceId: nullableString("7+", { nullable: "7+", default: null }),
    retentionTimeMs: int64("2-4", { default: -1 }),
    topics: structs("0+", {
      name: string("0-9"),
      topicId: uuid("10+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("6+", { default: -1 }),
        committedMetadata: nullableString("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type OffsetCommitRequest = MessageOf<typeof offsetCommitRequest>;

export const offsetCommitResponse = defineMessage(
  { name: "OffsetCommitResponse", apiKey: 8, kind: "response", versions: "2-10", flexible: 8 },
  {
    throttleTimeMs: int32("3+"),
    topics: structs("0+", {
      name: string("0-9"),
      topicId: uuid("10+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
      }),
    }),
  },
);
export type OffsetCommitResponse = MessageOf<typeof offsetCommitResponse>;
