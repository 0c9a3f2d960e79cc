// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const addPartitionsToTxnRequest = defineMessage(
  { name: "AddPartitionsToTxnRequest", apiKey: 24, kind: "request", versions: "0-5", flexible: 3 },
  {
    transactions: structs("4+", {
      transactionalId: string("4+"),
      producerId: int64("4+"),
      producerEpoch: int16("4+"),
      verifyOnly: boolean("4+"),
      topics: structs("4+", {
        name: string("0+"),
        partitions: array("0+", int32("0+")),
      }),
    }),
    v3AndBelowTransactionalId: string("0-3"),
    v3AndBelowProducerId: int64("0-3"),
    v3AndBelowProducerEpoch: int16("0-3"),
    v3AndBelowTopics: structs("0-3", {
      name: string("0+"),
      partitions: array("0+", int32("0+")),
    }),
  },
);
export type AddPartitionsToTxnRequest = MessageOf<typeof addPartitionsToTxnRequest>;

export const addPartitionsToTxnResponse = defineMessage(
  {
    name: "AddPartitionsToTxnResponse",
    apiKey: 24,
    kind: "response",
    versions: "0-5",
    flexible: 3,
  },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("4+"),
    resultsByTransaction: structs("4+", {
      transactionalId: string("4+"),
      topicResults: structs("4+", {
        name: string("0+"),
        resultsByPartition: structs("0+", {
          partitionIndex: int32("0+"),
          partitionErrorCode: int16("0+"),
        }),
      }),
    }),
    resultsByTopicV3AndBelow: structs("0-3", {
      name: string("0+"),
      resultsByPartition: structs("0+", {
        partitionIndex: int32("0+"),
        partitionErrorCode: int16("0+"),
      }),
    }),
  },
);
export type AddPartitionsToTxnResponse = MessageOf<typeof addPartitionsToTxnResponse>;
