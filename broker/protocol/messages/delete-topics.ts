// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const deleteTopicsRequest = defineMessage(
  { name: "DeleteTopicsRequest", apiKey: 20, kind: "request", versions: "1-6", flexible: 4 },
  {
    topics: structs("6+", {
      name: nullableString("6+", { nullable: "6+", default: null }),
      topicId: uuid("6+"),
    }),
    topicNames: array("0-5", string("0+")),
    timeoutMs: int32("0+"),
  },
);
export type DeleteTopicsRequest = MessageOf<typeof deleteTopicsRequest>;

export const deleteTopicsResponse = defineMessage(
  { name: "DeleteTopicsResponse", apiKey: 20, kind: "response", versions: "1-6", flexible: 4 },
  {
    throttleTimeMs: int32("1+"),
    responses: structs("0+", {
      name: nullableString("0+", { nullable: "6+" }),
      topicId: uuid("6+"),
      errorCode: int16("0+"),
      errorMessage: nullableString("5+", { nullable: "5+", default: null }),
    }),
  },
);
export type DeleteTopicsResponse = MessageOf<typeof deleteTopicsResponse>;
