// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { defineMessage, int16, int32, int64, string, structs, type MessageOf } from "../schema.ts";

export const deleteRecordsRequest = defineMessage(
  { name: "DeleteRecordsRequest", apiKey: 21, kind: "request", versions: "0-2", flexible: 2 },
  {
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        offset: int64("0+"),
      }),
    }),
    timeoutMs: int32("0+"),
  },
);
export type DeleteRecordsRequest = MessageOf<typeof deleteRecordsRequest>;

export const deleteRecordsResponse = defineMessage(
  { name: "DeleteRecordsResponse", apiKey: 21, kind: "response", versions: "0-2", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        lowWatermark: int64("0+"),
        errorCode: int16("0+"),
      }),
    }),
  },
);
export type DeleteRecordsResponse = MessageOf<typeof deleteRecordsResponse>;
