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

export const txnOffsetCommitRequest = defineMessage(
  { name: "TxnOffsetCommitRequest", apiKey: 28, kind: "request", versions: "0-6", flexible: 3 },
  {
    transactionalId: string("0+"),
    groupId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    generationIdOrMemberEpoch: int32("3+", { default: -1 }),
    memberId: string("3+"),
    groupInstanceId: nullableString("3+", { nullable: "3+", default: null }),
    topics: structs("0+", {
      name: string("0-5"),
      topicId: uuid("6+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("2+", { default: -1 }),
        committedMetadata: nullableString("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type TxnOffsetCommitRequest = MessageOf<typeof txnOffsetCommitRequest>;

export const txnOffsetCommitResponse = defineMessage(
  { name: "TxnOffsetCommitResponse", apiKey: 28, kind: "response", versions: "0-6", flexible: 3 },
  {
    throttleTimeMs: int32("0+"),
    topics: structs("0+", {
      name: string("0-5"),
      topicId: uuid("6+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
      }),
    }),
  },
);
export type TxnOffsetCommitResponse = MessageOf<typeof txnOffsetCommitResponse>;
