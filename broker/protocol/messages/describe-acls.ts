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

export const describeAclsRequest = defineMessage(
  { name: "DescribeAclsRequest", apiKey: 29, kind: "request", versions: "1-3", flexible: 2 },
  {
    resourceTypeFilter: int8("0+"),
    resourceNameFilter: nullableString("0+", { nullable: "0+" }),
    patternTypeFilter: int8("1+", { default: 3 }),
    principalFilter: nullableString("0+", { nullable: "0+" }),
    hostFilter: nullableString("0+", { nullable: "0+" }),
    operation: int8("0+"),
    permissionType: int8("0+"),
  },
);
export type DescribeAclsRequest = MessageOf<typeof describeAclsRequest>;

export const describeAclsResponse = defineMessage(
  { name: "DescribeAclsResponse", apiKey: 29, kind: "response", versions: "1-3", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+" }),
    resources: structs("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      patternType: int8("1+", { default: 3 }),
      acls: structs("0+", {
        principal: string("0+"),
        host: string("0+"),
        operation: int8("0+"),
        permissionType: int8("0+"),
      }),
    }),
  },
);
export type DescribeAclsResponse = MessageOf<typeof describeAclsResponse>;
