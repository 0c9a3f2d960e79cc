// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  int16,
  int32,
  int64,
  nullableStructs,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeLogDirsRequest = defineMessage(
  { name: "DescribeLogDirsRequest", apiKey: 35, kind: "request", versions: "1-5", flexible: 2 },
  {
    topics: nullableStructs(
      "0+",
      {
        topic: string("0+"),
        partitions: array("0+", int32("0+")),
      },
      { nullable: "0+" },
    ),
  },
);
export type DescribeLogDirsRequest = MessageOf<typeof describeLogDirsRequest>;

export const describeLogDirsResponse = defineMessage(
  { name: "DescribeLogDirsResponse", apiKey: 35, kind: "response", versions: "1-5", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("3+"),
    results: structs("0+", {
      errorCode: int16("0+"),
      logDir: string("0+"),
      topics: structs("0+", {
        name: string("0+"),
        partitions: structs("0+", {
          partitionIndex: int32("0+"),
          partitionSize: int64("0+"),
          offsetLag: int64("0+"),
          isFutureKey: boolean("0+"),
        }),
      }),
      totalBytes: int64("4+", { default: -1 }),
      usableBytes: int64("4+", { default: -1 }),
      isCordoned: boolean("5+"),
    }),
  },
);
export type DescribeLogDirsResponse = MessageOf<typeof describeLogDirsResponse>;
