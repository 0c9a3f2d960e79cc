// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { defineMessage, int16, int32, string, structs, type MessageOf } from "../schema.ts";

export const offsetDeleteRequest = defineMessage(
  { name: "OffsetDeleteRequest", apiKey: 47, kind: "request", versions: "0" },
  {
    groupId: string("0+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
      }),
    }),
  },
);
export type OffsetDeleteRequest = MessageOf<typeof offsetDeleteRequest>;

export const offsetDeleteResponse = defineMessage(
  { name: "OffsetDeleteResponse", apiKey: 47, kind: "response", versions: "0" },
  {
    errorCode: int16("0+"),
    throttleTimeMs: int32("0+"),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
      }),
    }),
  },
);
export type OffsetDeleteResponse = MessageOf<typeof offsetDeleteResponse>;
