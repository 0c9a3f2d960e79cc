// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  float64,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const alterClientQuotasRequest = defineMessage(
  { name: "AlterClientQuotasRequest", apiKey: 49, kind: "request", versions: "0-1", flexible: 1 },
  {
    entries: structs("0+", {
      entity: structs("0+", {
        entityType: string("0+"),
        entityName: nullableString("0+", { nullable: "0+" }),
      }),
      ops: structs("0+", {
        key: string("0+"),
        value: float64("0+"),
        remove: boolean("0+"),
      }),
    }),
    validateOnly: boolean("0+"),
  },
);
export type AlterClientQuotasRequest = MessageOf<typeof alterClientQuotasRequest>;

export const alterClientQuotasResponse = defineMessage(
  { name: "AlterClientQuotasResponse", apiKey: 49, kind: "response", versions: "0-1", flexible: 1 },
  {
    throttleTimeMs: int32("0+"),
    entries: structs("0+", {
      errorCode: int16("0+"),
      errorMessage: nullableString("0+", { nullable: "0+" }),
      entity: structs("0+", {
        entityType: string("0+"),
        entityName: nullableString("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type AlterClientQuotasResponse = MessageOf<typeof alterClientQuotasResponse>;
