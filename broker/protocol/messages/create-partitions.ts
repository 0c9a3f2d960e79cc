// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  nullableString,
  nullableStructs,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const createPartitionsRequest = defineMessage(
  { name: "CreatePartitionsRequest", apiKey: 37, kind: "request", versions: "0-3", flexible: 2 },
  {
    topics: structs("0+", {
      name: string("0+"),
      count: int32("0+"),
      assignments: nullableStructs(
        "0+",
        {
          brokerIds: array("0+", int32("0+")),
        },
        { nullable: "0+" },
      ),
    }),
    timeoutMs: int32("0+"),
    validateOnly: boolean("0+"),
  },
);
export type CreatePartitionsRequest = MessageOf<typeof createPartitionsRequest>;

export const createPartitionsResponse = defineMessage(
  { name: "CreatePartitionsResponse", apiKey: 37, kind: "response", versions: "0-3", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    results: structs("0+", {
      name: string("0+"),
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+", default: null }),
    }),
  },
);
export type CreatePartitionsResponse = MessageOf<typeof createPartitionsResponse>;
