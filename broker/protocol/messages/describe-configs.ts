// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  int8,
  nullableArray,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeConfigsRequest = defineMessage(
  { name: "DescribeConfigsRequest", apiKey: 32, kind: "request", versions: "1-4", flexible: 4 },
  {
    resources: structs("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configurationKeys: nullableArray("0+", string("0+"), { nullable: "0+" }),
    }),
    includeSynonyms: boolean("1+"),
    includeDocumentation: boolean("3+"),
  },
);
export type DescribeConfigsRequest = MessageOf<typeof describeConfigsRequest>;

export const describeConfigsResponse = defineMessage(
  { name: "DescribeConfigsResponse", apiKey: 32, kind: "response", versions: "1-4", flexible: 4 },
  {
    throttleTimeMs: int32("0+"),
    results: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+" }),
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configs: structs("0+", {
        name: string("0+"),
        value: nullableString("0+", { nullable: "0+" }),
        readOnly: boolean("0+"),
        configSource: int8("1+", { default: -1 }),
        isSensitive: boolean("0+"),
        synonyms: structs("1+", {
          name: string("1+"),
          value: nullableString("1+", { nullable: "0+" }),
          source: int8("1+"),
        }),
        configType: int8("3+"),
        documentation: nullableString("3+", { nullable: "0+" }),
      }),
    }),
  },
);
export type DescribeConfigsResponse = MessageOf<typeof describeConfigsResponse>;
