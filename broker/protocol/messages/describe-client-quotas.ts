// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  float64,
  int16,
  int32,
  int8,
  nullableString,
  nullableStructs,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeClientQuotasRequest = defineMessage(
  {
    name: "DescribeClientQuotasRequest",
    apiKey: 48,
    kind: "request",
    versions: "0-1",
    flexible: 1,
  },
  {
    components: structs("0+", {
      entityType: string("0+"),
      matchType: int8("0+"),
      match: nullableString("0+", { nullable: "0+" }),
    }),
    strict: boolean("0+"),
  },
);
export type DescribeClientQuotasRequest = MessageOf<typeof describeClientQuotasRequest>;

export const describeClientQuotasResponse = defineMessage(
  {
    name: "DescribeClientQuotasResponse",
    apiKey: 48,
    kind: "response",
    versions: "0-1",
    flexible: 1,
  },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+" }),
    entries: nullableStructs(
      "0+",
      {
        entity: structs("0+", {
          entityType: string("0+"),
          entityName: nullableString("0+", { nullable: "0+" }),
        }),
        values: structs("0+", {
          key: string("0+"),
          value: float64("0+"),
        }),
      },
      { nullable: "0+" },
    ),
  },
);
export type DescribeClientQuotasResponse = MessageOf<typeof describeClientQuotasResponse>;
