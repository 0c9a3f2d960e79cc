// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const alterConfigsRequest = defineMessage(
  { name: "AlterConfigsRequest", apiKey: 33, kind: "request", versions: "0-2", flexible: 2 },
  {
    resources: structs("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configs: structs("0+", {
        name: string("0+"),
        value: nullableString("0+", { nullable: "0+" }),
      }),
    }),
    validateOnly: boolean("0+"),
  },
);
export type AlterConfigsRequest = MessageOf<typeof alterConfigsRequest>;

export const alterConfigsResponse = defineMessage(
  { name: "AlterConfigsResponse", apiKey: 33, kind: "response", versions: "0-2", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    responses: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+" }),
      resourceType: int8("0+"),
      resourceName: string("0+"),
    }),
  },
);
export type AlterConfigsResponse = MessageOf<typeof alterConfigsResponse>;
