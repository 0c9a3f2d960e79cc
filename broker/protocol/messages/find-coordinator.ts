// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const findCoordinatorRequest = defineMessage(
  { name: "FindCoordinatorRequest", apiKey: 10, kind: "request", versions: "0-6", flexible: 3 },
  {
    key: string("0-3"),
    keyType: int8("1+"),
    coordinatorKeys: array("4+", string("0+")),
  },
);
export type FindCoordinatorRequest = MessageOf<typeof findCoordinatorRequest>;

export const findCoordinatorResponse = defineMessage(
  { name: "FindCoordinatorResponse", apiKey: 10, kind: "response", versions: "0-6", flexible: 3 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("0-3"),
    errorMessage: nullableString("1-3", { nullable: "1-3" }),
    nodeId: int32("0-3"),
    host: string("0-3"),
    port: int32("0-3"),
    coordinators: structs("4+", {
      key: string("4+"),
      nodeId: int32("4+"),
      host: string("4+"),
      port: int32("4+"),
      errorCode: int16("4+"),
      errorMessage: nullableString("4+", { nullable: "4+" }),
    }),
  },
);
export type FindCoordinatorResponse = MessageOf<typeof findCoordinatorResponse>;
