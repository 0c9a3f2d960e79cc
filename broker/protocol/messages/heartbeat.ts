// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { defineMessage, int16, int32, nullableString, string, type MessageOf } from "../schema.ts";

export const heartbeatRequest = defineMessage(
  { name: "HeartbeatRequest", apiKey: 12, kind: "request", versions: "0-4", flexible: 4 },
  {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: nullableString("3+", { nullable: "3+", default: null }),
  },
);
export type HeartbeatRequest = MessageOf<typeof heartbeatRequest>;

export const heartbeatResponse = defineMessage(
  { name: "HeartbeatResponse", apiKey: 12, kind: "response", versions: "0-4", flexible: 4 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("0+"),
  },
);
export type HeartbeatResponse = MessageOf<typeof heartbeatResponse>;
