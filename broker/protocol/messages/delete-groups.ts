// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const deleteGroupsRequest = defineMessage(
  { name: "DeleteGroupsRequest", apiKey: 42, kind: "request", versions: "0-3", flexible: 2 },
  {
    groupsNames: array("0+", string("0+")),
  },
);
export type DeleteGroupsRequest = MessageOf<typeof deleteGroupsRequest>;

export const deleteGroupsResponse = defineMessage(
  { name: "DeleteGroupsResponse", apiKey: 42, kind: "response", versions: "0-3", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    results: structs("0+", {
      groupId: string("0+"),
      errorCode: int16("0+"),
      errorMessage: nullableString("3+", { nullable: "3+", default: null }),
    }),
  },
);
export type DeleteGroupsResponse = MessageOf<typeof deleteGroupsResponse>;
