// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  boolean,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const describeClusterRequest = defineMessage(
  { name: "DescribeClusterRequest", apiKey: 60, kind: "request", versions: "0-2", flexible: 0 },
  {
    includeClusterAuthorizedOperations: boolean("0+"),
    endpointType: int8("1+", { default: 1 }),
    includeFencedBrokers: boolean("2+"),
  },
);
export type DescribeClusterRequest = MessageOf<typeof describeClusterRequest>;

export const describeClusterResponse = defineMessage(
  { name: "DescribeClusterResponse", apiKey: 60, kind: "response", versions: "0-2", flexible: 0 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+", default: null }),
    endpointType: int8("1+", { default: 1 }),
    clusterId: string("0+"),
    controllerId: int32("0+", { default: -1 }),
    brokers: structs("0+", {
      brokerId: int32("0+"),
      host: string("0+"),
      port: int32("0+"),
      rack: nullableString("0+", { nullable: "0+", default: null }),
      isFenced: boolean("2+"),
    }),
    clusterAuthorizedOperations: int32("0+", { default: -2147483648 }),
  },
);
export type DescribeClusterResponse = MessageOf<typeof describeClusterResponse>;
