// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const createAclsRequest = defineMessage(
  { name: "CreateAclsRequest", apiKey: 30, kind: "request", versions: "1-3", flexible: 2 },
  {
    creations: structs("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      resourcePatternType: int8("1+", { default: 3 }),
      principal: string("0+"),
      host: string("0+"),
      operation: int8("0+"),
      permissionType: int8("0+"),
    }),
  },
);
export type CreateAclsRequest = MessageOf<typeof createAclsRequest>;

export const createAclsResponse = defineMessage(
  { name: "CreateAclsResponse", apiKey: 30, kind: "response", versions: "1-3", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    results: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+" }),
    }),
  },
);
export type CreateAclsResponse = MessageOf<typeof createAclsResponse>;
