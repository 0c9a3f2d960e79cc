// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  type MessageOf,
} from "../schema.ts";

export const initProducerIdRequest = defineMessage(
  { name: "InitProducerIdRequest", apiKey: 22, kind: "request", versions: "0-6", flexible: 2 },
  {
    transactionalId: nullableString("0+", { nullable: "0+" }),
    transactionTimeoutMs: int32("0+"),
    producerId: int64("3+", { default: -1 }),
    producerEpoch: int16("3+", { default: -1 }),
    enable2Pc: boolean("6+"),
    keepPreparedTxn: boolean("6+"),
  },
);
export type InitProducerIdRequest = MessageOf<typeof initProducerIdRequest>;

export const initProducerIdResponse = defineMessage(
  { name: "InitProducerIdResponse", apiKey: 22, kind: "response", versions: "0-6", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    producerId: int64("0+", { default: -1 }),
    producerEpoch: int16("0+"),
    ongoingTxnProducerId: int64("6+", { default: -1 }),
    ongoingTxnProducerEpoch: int16("6+", { default: -1 }),
  },
);
export type InitProducerIdResponse = MessageOf<typeof initProducerIdResponse>;
