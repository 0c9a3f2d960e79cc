// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  int8,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const writeTxnMarkersRequest = defineMessage(
  { name: "WriteTxnMarkersRequest", apiKey: 27, kind: "request", versions: "1-2", flexible: 1 },
  {
    markers: structs("0+", {
      producerId: int64("0+"),
      producerEpoch: int16("0+"),
      transactionResult: boolean("0+"),
      topics: structs("0+", {
        name: string("0+"),
        partitionIndexes: array("0+", int32("0+")),
      }),
      coordinatorEpoch: int32("0+"),
      transactionVersion: int8("2+"),
    }),
  },
);
export type WriteTxnMarkersRequest = MessageOf<typeof writeTxnMarkersRequest>;

export const writeTxnMarkersResponse = defineMessage(
  { name: "WriteTxnMarkersResponse", apiKey: 27, kind: "response", versions: "1-2", flexible: 1 },
  {
    markers: structs("0+", {
      producerId: int64("0+"),
      topics: structs("0+", {
        name: string("0+"),
        partitions: structs("0+", {
          partitionIndex: int32("0+"),
          errorCode: int16("0+"),
        }),
      }),
    }),
  },
);
export type WriteTxnMarkersResponse = MessageOf<typeof writeTxnMarkersResponse>;
