// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  int8,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const listConfigResourcesRequest = defineMessage(
  { name: "ListConfigResourcesRequest", apiKey: 74, kind: "request", versions: "0-1", flexible: 0 },
  {
    resourceTypes: array("1+", int8("0+")),
  },
);
export type ListConfigResourcesRequest = MessageOf<typeof listConfigResourcesRequest>;

export const listConfigResourcesResponse = defineMessage(
  {
    name: "ListConfigResourcesResponse",
    apiKey: 74,
    kind: "response",
    versions: "0-1",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    configResources: structs("0+", {
      resourceName: string("0+"),
      resourceType: int8("1+", { default: 16 }),
    }),
  },
);
export type ListConfigResourcesResponse = MessageOf<typeof listConfigResourcesResponse>;
