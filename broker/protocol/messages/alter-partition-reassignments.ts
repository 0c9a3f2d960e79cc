// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const alterPartitionReassignmentsRequest = defineMessage(
  {
    name: "AlterPartitionReassignmentsRequest",
    apiKey: 45,
    kind: "request",
    versions: "0-1",
    flexible: 0,
  },
  {
    timeoutMs: int32("0+", { default: 60000 }),
    allowReplicationFactorChange: boolean("1+", { default: true }),
    topics: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        replicas: nullableArray("0+", int32("0+"), { nullable: "0+", default: null }),
      }),
    }),
  },
);
export type AlterPartitionReassignmentsRequest = MessageOf<
  typeof alterPartitionReassignmentsRequest
>;

export const alterPartitionReassignmentsResponse = defineMessage(
  {
    name: "AlterPartitionReassignmentsResponse",
    apiKey: 45,
    kind: "response",
    versions: "0-1",
    flexible: 0,
  },
  {
    throttleTimeMs: int32("0+"),
    allowReplicationFactorChange: boolean("1+", { default: true }),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+" }),
    responses: structs("0+", {
      name: string("0+"),
      partitions: structs("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: nullableString("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type AlterPartitionReassignmentsResponse = MessageOf<
  typeof alterPartitionReassignmentsResponse
>;
