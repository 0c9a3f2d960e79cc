// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  nullableString,
  nullableStructs,
  string,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const offsetFetchRequest = defineMessage(
  { name: "OffsetFetchRequest", apiKey: 9, kind: "request", versions: "1-10", flexible: 6 },
  {
    groupId: string("0-7"),
    topics: nullableStructs(
      "0-7",
      {
        name: string("0-7"),
        partitionIndexes: array("0-7", int32("0+")),
      },
      { nullable: "2-7" },
    ),
    groups: structs("8+", {
      groupId: string("8+"),
      memberId: nullableString("9+", { nullable: "9+", default: null }),
      memberEpoch: int32("9+", { default: -1 }),
      topics: nullableStructs(
        "8+",
        {
          name: string("8-9"),
          topicId: uuid("10+"),
          partitionIndexes: array("8+", int32("0+")),
        },
        { nullable: "8+" },
      ),
    }),
    requireStable: boolean("7+"),
  },
);
export type OffsetFetchRequest = MessageOf<typeof offsetFetchRequest>;

export const offsetFetchResponse = defineMessage(
  { name: "OffsetFetchResponse", apiKey: 9, kind: "response", versions: "1-10", flexible: 6 },
  {
    throttleTimeMs: int32("3+"),
    topics: structs("0-7", {
      name: string("0-7"),
      partitions: structs("0-7", {
        partitionIndex: int32("0-7"),
        committedOffset: int64("0-7"),
        committedLeaderEpoch: int32("5-7", { default: -1 }),
        metadata: nullableString("0-7", { nullable: "0-7" }),
        errorCode: int16("0-7"),
      }),
    }),
    errorCode: int16("2-7"),
    groups: structs("8+", {
      groupId: string("8+"),
      topics: structs("8+", {
        name: string("8-9"),
        topicId: uuid("10+"),
        partitions: structs("8+", {
          partitionIndex: int32("8+"),
          committedOffset: int64("8+"),
          committedLeaderEpoch: int32("8+", { default: -1 }),
          metadata: nullableString("8+", { nullable: "8+" }),
          errorCode: int16("8+"),
        }),
      }),
      errorCode: int16("8+"),
    }),
  },
);
export type OffsetFetchResponse = MessageOf<typeof offsetFetchResponse>;
