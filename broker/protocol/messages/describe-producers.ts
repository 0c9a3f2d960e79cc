// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeProducersRequest = defineMessage(
  { name: "DescribeProducersRequest", apiKey: 61, kind: "request", versions: "0", flexible: 0 },
  {
    topics: structs("0+", {
      name: string("0+"),
      partitionIndexes: array("0+", int32("0+")),
    }),
  },
);
export type DescribeProducersRequest = MessageOf<typeof describeProducersRequest>;

export const describeProducersResponse = defineMessage(
  { name: "DescribeProducersResponse", apiKey: 61, kind: "response", versions: "0", flexible: 0 },
  {
    throttleTimeMs: int32("0+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: nullableString("0+", { nullable: "0+", default: null }),
        activeProducers: structs("0+", {
          producerId: int64("0+"),
          producerEpoch: int32("0+"),
          lastSequence: int32("0+", { default: -1 }),
          lastTimestamp: int64("0+", { default: -1 }),
          coordinatorEpoch: int32("0+"),
          currentTxnStartOffset: int64("0+", { default: -1 }),
        }),
      }),
    }),
  },
);
export type DescribeProducersResponse = MessageOf<typeof describeProducersResponse>;
