// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  bytes,
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const syncGroupRequest = defineMessage(
  { name: "SyncGroupRequest", apiKey: 14, kind: "request", versions: "0-5", flexible: 4 },
  {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: nullableString("3+", { nullable: "3+", default: null }),
    protocolType: nullableString("5+", { nullable: "5+", default: null }),
    protocolName: nullableString("5+", { nullable: "5+", default: null }),
    assignments: structs("0+", {
      memberId: string("0+"),
      assignment: bytes("0+"),
    }),
  },
);
export type SyncGroupRequest = MessageOf<typeof syncGroupRequest>;

export const syncGroupResponse = defineMessage(
  { name: "SyncGroupResponse", apiKey: 14, kind: "response", versions: "0-5", flexible: 4 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("0+"),
    protocolType: nullableString("5+", { nullable: "5+", default: null }),
    protocolName: nullableString("5+", { nullable: "5+", default: null }),
    assignment: bytes("0+"),
  },
);
export type SyncGroupResponse = MessageOf<typeof syncGroupResponse>;
