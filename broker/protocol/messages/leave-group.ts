// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  defineMessage,
  int16,
  int32,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const leaveGroupRequest = defineMessage(
  { name: "LeaveGroupRequest", apiKey: 13, kind: "request", versions: "0-5", flexible: 4 },
  {
    groupId: string("0+"),
    memberId: string("0-2"),
    members: structs("3+", {
      memberId: string("3+"),
      groupInstanceId: nullableString("3+", { nullable: "3+", default: null }),
      reason: nullableString("5+", { nullable: "5+", default: null }),
    }),
  },
);
export type LeaveGroupRequest = MessageOf<typeof leaveGroupRequest>;

export const leaveGroupResponse = defineMessage(
  { name: "LeaveGroupResponse", apiKey: 13, kind: "response", versions: "0-5", flexible: 4 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("0+"),
    members: structs("3+", {
      memberId: string("3+"),
      groupInstanceId: nullableString("3+", { nullable: "3+" }),
      errorCode: int16("3+"),
    }),
  },
);
export type LeaveGroupResponse = MessageOf<typeof leaveGroupResponse>;
