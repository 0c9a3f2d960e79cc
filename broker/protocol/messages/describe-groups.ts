// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  bytes,
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeGroupsRequest = defineMessage(
  { name: "DescribeGroupsRequest", apiKey: 15, kind: "request", versions: "0-6", flexible: 5 },
  {
    groups: array("0+", string("0+")),
    includeAuthorizedOperations: boolean("3+"),
  },
);
export type DescribeGroupsRequest = MessageOf<typeof describeGroupsRequest>;

export const describeGroupsResponse = defineMessage(
  { name: "DescribeGroupsResponse", apiKey: 15, kind: "response", versions: "0-6", flexible: 5 },
  {
    throttleTimeMs: int32("1+"),
    groups: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("6+", { nullable: "6+", default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      protocolType: string("0+"),
      protocolData: string("0+"),
      members: structs("0+", {
        memberId: string("0+"),
        groupInstanceId: nullableString("4+", { nullable: "4+", default: null }),
        clientId: string("0+"),
        clientHost: string("0+"),
        memberMetadata: bytes("0+"),
        memberAssignment: bytes("0+"),
      }),
      authorizedOperations: int32("3+", { default: -2147483648 }),
    }),
  },
);
export type DescribeGroupsResponse = MessageOf<typeof describeGroupsResponse>;
