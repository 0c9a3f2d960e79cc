// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { INT64_MAX } from "../int64.ts";
import {
  array,
  defineMessage,
  int16,
  int32,
  int64,
  int8,
  nullableString,
  nullableStructs,
  records,
  string,
  struct,
  structs,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const fetchRequest = defineMessage(
  { name: "FetchRequest", apiKey: 1, kind: "request", versions: "4-18", flexible: 12 },
  {
    clusterId: nullableString("12+", { nullable: "12+", tag: 0, default: null }),
    replicaId: int32("0-14", { default: -1 }),
    replicaState: struct(
      "15+",
      {
        replicaId: int32("15+", { default: -1 }),
        replicaEpoch: int64("15+", { default: -1 }),
      },
      { tag: 1 },
    ),
    maxWaitMs: int32("0+"),
    minBytes: int32("0+"),
    maxBytes: int32("3+", { default: 2147483647 }),
    isolationLevel: int8("4+"),
    sessionId: int32("7+"),
    sessionEpoch: int32("7+", { default: -1 }),
    topics: structs("0+", {
      topic: string("0-12"),
      topicId: uuid("13+"),
      partitions: structs("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("9+", { default: -1 }),
        fetchOffset: int64("0+"),
        lastFetchedEpoch: int32("12+", { default: -1 }),
        logStartOffset: int64("5+", { default: -1 }),
        partitionMaxBytes: int32("0+"),
        replicaDirectoryId: uuid("17+", { tag: 0 }),
        highWatermark: int64("18+", { tag: 1, default: INT64_MAX }),
      }),
    }),
    forgottenTopicsData: structs("7+", {
      topic: string("7-12"),
      topicId: uuid("13+"),
      partitions: array("7+", int32("0+")),
    }),
    rackId: string("11+"),
  },
);
export type FetchRequest = MessageOf<typeof fetchRequest>;

export const fetchResponse = defineMessage(
  { name: "FetchResponse", apiKey: 1, kind: "response", versions: "4-18", flexible: 12 },
  {
    throttleTimeMs: int32("1+"),
    errorCode: int16("7+"),
    sessionId: int32("7+"),
    responses: structs("0+", {
      topic: string("0-12"),
      topicId: uuid("13+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        highWatermark: int64("0+"),
        lastStableOffset: int64("4+", { default: -1 }),
        logStartOffset: int64("5+", { default: -1 }),
        divergingEpoch: struct(
          "12+",
          {
            epoch: int32("12+", { default: -1 }),
            endOffset: int64("12+", { default: -1 }),
          },
          { tag: 0 },
        ),
        currentLeader: struct(
          "12+",
          {
            leaderId: int32("12+", { default: -1 }),
            leaderEpoch: int32("12+", { default: -1 }),
          },
          { tag: 1 },
        ),
        snapshotId: struct(
          "12+",
          {
            endOffset: int64("0+", { default: -1 }),
            epoch: int32("0+", { default: -1 }),
          },
          { tag: 2 },
        ),
        abortedTransactions: nullableStructs(
          "4+",
          {
            producerId: int64("4+"),
            firstOffset: int64("4+"),
          },
          { nullable: "4+" },
        ),
        preferredReadReplica: int32("11+", { default: -1 }),
        records: records("0+", { nullable: "0+" }),
      }),
    }),
    nodeEndpoints: structs(
      "16+",
      {
        nodeId: int32("16+"),
        host: string("16+"),
        port: int32("16+"),
        rack: nullableString("16+", { nullable: "16+", default: null }),
      },
      { tag: 0 },
    ),
  },
);
export type FetchResponse = MessageOf<typeof fetchResponse>;
