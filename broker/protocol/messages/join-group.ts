// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  bytes,
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const joinGroupRequest = defineMessage(
  { name: "JoinGroupRequest", apiKey: 11, kind: "request", versions: "0-9", flexible: 6 },
  {
    groupId: string("0+"),
    sessionTimeoutMs: int32("0+"),
    rebalanceTimeoutMs: int32("1+", { default: -1 }),
    memberId: string("0+"),
    groupInstanceId: nullableString("5+", { nullable: "5+", default: null }),
    protocolType: string("0+"),
    protocols: structs("0+", {
      name: string("0+"),
      metadata: bytes("0+"),
    }),
    reason: nullableString("8+", { nullable: "8+", default: null }),
  },
);
export type JoinGroupRequest = MessageOf<typeof joinGroupRequest>;

export const joinGroupResponse = defineMessage(
  { name: "JoinGroupResponse", apiKey: 11, kind: "response", versions: "0-9", flexible: 6 },
  {
    throttleTimeMs: int32("2+"),
    errorCode: int16("0+"),
    generationId: int32("0+", { default: -1 }),
    protocolType: nullableString("7+", { nullable: "7+", default: null }),
    protocolName: nullableString("0+", { nullable: "7+" }),
    leader: string("0+"),
    skipAssignment: boolean("9+"),
    memberId: string("0+"),
    members: structs("0+", {
      memberId: string("0+"),
      groupInstanceId: nullableString("5+", { nullable: "5+", default: null }),
      metadata: bytes("0+"),
    }),
  },
);
export type JoinGroupResponse = MessageOf<typeof joinGroupResponse>;
