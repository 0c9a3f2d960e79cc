// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  records,
  string,
  struct,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const produceRequest = defineMessage(
  { name: "ProduceRequest", apiKey: 0, kind: "request", versions: "3-13", flexible: 9 },
  {
    transactionalId: nullableString("3+", { nullable: "3+", default: null }),
    acks: int16("0+"),
    timeoutMs: int32("0+"),
    topicData: structs("0+", {
      name: string("0-12"),
      topicId: uuid("13+"),
      partitionData: structs("0+", {
        index: int32("0+"),
        records: records("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type ProduceRequest = MessageOf<typeof produceRequest>;

export const produceResponse = defineMessage(
  { name: "ProduceResponse", apiKey: 0, kind: "response", versions: "3-13", flexible: 9 },
  {
    responses: structs("0+", {
      name: string("0-12"),
      topicId: uuid("13+"),
      partitionResponses: structs("0+", {
        index: int32("0+"),
        errorCode: int16("0+"),
        baseOffset: int64("0+"),
        logAppendTimeMs: int64("2+", { default: -1 }),
        logStartOffset: int64("5+", { default: -1 }),
        recordErrors: structs("8+", {
          batchIndex: int32("8+"),
          batchIndexErrorMessage: nullableString("8+", { nullable: "8+", default: null }),
        }),
        errorMessage: nullableString("8+", { nullable: "8+", default: null }),
        currentLeader: struct(
          "10+",
          {
            leaderId: int32("10+", { default: -1 }),
            leaderEpoch: int32("10+", { default: -1 }),
          },
          { tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32("1+"),
    nodeEndpoints: structs(
      "10+",
      {
        nodeId: int32("10+"),
        host: string("10+"),
        port: int32("10+"),
        rack: nullableString("10+", { nullable: "10+", default: null }),
      },
      { tag: 0 },
    ),
  },
);
export type ProduceResponse = MessageOf<typeof produceResponse>;
