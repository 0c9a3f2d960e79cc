// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const apiVersionsRequest = defineMessage(
  { name: "ApiVersionsRequest", apiKey: 18, kind: "request", versions: "0-5", flexible: 3 },
  {
    clientSoftwareName: string("3+"),
    clientSoftwareVersion: string("3+"),
    clusterId: nullableString("5+", { nullable: "5+", default: null }),
    nodeId: int32("5+", { default: -1 }),
  },
);
export type ApiVersionsRequest = MessageOf<typeof apiVersionsRequest>;

export const apiVersionsResponse = defineMessage(
  { name: "ApiVersionsResponse", apiKey: 18, kind: "response", versions: "0-5", flexible: 3 },
  {
    errorCode: int16("0+"),
    apiKeys: structs("0+", {
      apiKey: int16("0+"),
      minVersion: int16("0+"),
      maxVersion: int16("0+"),
    }),
    throttleTimeMs: int32("1+"),
    supportedFeatures: structs(
      "3+",
      {
        name: string("3+"),
        minVersion: int16("3+"),
        maxVersion: int16("3+"),
      },
      { tag: 0 },
    ),
    finalizedFeaturesEpoch: int64("3+", { tag: 1, default: -1 }),
    finalizedFeatures: structs(
      "3+",
      {
        name: string("3+"),
        maxVersionLevel: int16("3+"),
        minVersionLevel: int16("3+"),
      },
      { tag: 2 },
    ),
    zkMigrationReady: boolean("3+", { tag: 3 }),
  },
);
export type ApiVersionsResponse = MessageOf<typeof apiVersionsResponse>;
