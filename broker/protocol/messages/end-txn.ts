// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { boolean, defineMessage, int16, int32, int64, string, type MessageOf } from "../schema.ts";

export const endTxnRequest = defineMessage(
  { name: "EndTxnRequest", apiKey: 26, kind: "request", versions: "0-5", flexible: 3 },
  {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    committed: boolean("0+"),
  },
);
export type EndTxnRequest = MessageOf<typeof endTxnRequest>;

export const endTxnResponse = defineMessage(
  { name: "EndTxnResponse", apiKey: 26, kind: "response", versions: "0-5", flexible: 3 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    producerId: int64("5+", { default: -1 }),
    producerEpoch: int16("5+", { default: -1 }),
  },
);
export type EndTxnResponse = MessageOf<typeof endTxnResponse>;
