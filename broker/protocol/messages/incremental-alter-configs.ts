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

export const incrementalAlterConfigsRequest = defineMessage(
  {
    name: "IncrementalAlterConfigsRequest",
    apiKey: 44,
    kind: "request",
    versions: "0-1",
    flexible: 1,
  },
  {
    resources: structs("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configs: structs("0+", {
        name: string("0+"),
        configOperation: int8("0+"),
        value: nullableString("0+", { nullable: "0+" }),
      }),
    }),
    validateOnly: boolean("0+"),
  },
);
export type IncrementalAlterConfigsRequest = MessageOf<typeof incrementalAlterConfigsRequest>;

export const incrementalAlterConfigsResponse = defineMessage(
  {
    name: "IncrementalAlterConfigsResponse",
    apiKey: 44,
    kind: "response",
    versions: "0-1",
    flexible: 1,
  },
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
export type IncrementalAlterConfigsResponse = MessageOf<typeof incrementalAlterConfigsResponse>;
