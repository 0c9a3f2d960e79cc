// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  defineMessage,
  int16,
  int32,
  int8,
  nullableString,
  nullableStructs,
  string,
  structs,
  type MessageOf,
} from "../schema.ts";

export const electLeadersRequest = defineMessage(
  { name: "ElectLeadersRequest", apiKey: 43, kind: "request", versions: "0-2", flexible: 2 },
  {
    electionType: int8("1+"),
    topicPartitions: nullableStructs(
      "0+",
      {
        topic: string("0+"),
        partitions: array("0+", int32("0+")),
      },
      { nullable: "0+" },
    ),
    timeoutMs: int32("0+", { default: 60000 }),
  },
);
export type ElectLeadersRequest = MessageOf<typeof electLeadersRequest>;

export const electLeadersResponse = defineMessage(
  { name: "ElectLeadersResponse", apiKey: 43, kind: "response", versions: "0-2", flexible: 2 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("1+"),
    replicaElectionResults: structs("0+", {
      topic: string("0+"),
      partitionResult: structs("0+", {
        partitionId: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: nullableString("0+", { nullable: "0+" }),
      }),
    }),
  },
);
export type ElectLeadersResponse = MessageOf<typeof electLeadersResponse>;
