// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { array, defineMessage, int16, int32, string, structs, type MessageOf } from "../schema.ts";

export const listGroupsRequest = defineMessage(
  { name: "ListGroupsRequest", apiKey: 16, kind: "request", versions: "0-5", flexible: 3 },
  {
    statesFilter: array("4+", string("0+")),
    typesFilter: array("5+", string("0+")),
  },
);
export type ListGroupsRequest = MessageOf<typeof listGroupsRequest>;

export const listGroupsResponse = defineMessage(
  { name: "ListGroupsResponse", apiKey: 16, kind: "response", versions: "0-5", flexible: 3 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("0+"),
    groups: structs("0+", {
      groupId: string("0+"),
      protocolType: string("0+"),
      groupState: string("4+"),
      groupType: string("5+"),
    }),
  },
);
export type ListGroupsResponse = MessageOf<typeof listGroupsResponse>;
