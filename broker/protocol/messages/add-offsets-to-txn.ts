// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { defineMessage, int16, int32, int64, string, type MessageOf } from "../schema.ts";

export const addOffsetsToTxnRequest = defineMessage(
  { name: "AddOffsetsToTxnRequest", apiKey: 25, kind: "request", versions: "0-4", flexible: 3 },
  {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    groupId: string("0+"),
  },
);
export type AddOffsetsToTxnRequest = MessageOf<typeof addOffsetsToTxnRequest>;

export const addOffsetsToTxnResponse = defineMessage(
  { name: "AddOffsetsToTxnResponse", apiKey: 25, kind: "response", versions: "0-4", flexible: 3 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
  },
);
export type AddOffsetsToTxnResponse = MessageOf<typeof addOffsetsToTxnResponse>;
