// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import {
  array,
  boolean,
  defineMessage,
  FIRST_OWN_TAG,
  int16,
  int32,
  int64,
  nullableArray,
  uuid,
  type MessageOf,
} from "../schema.ts";

export const brokerHeartbeatRequest = defineMessage(
  { name: "BrokerHeartbeatRequest", apiKey: 63, kind: "request", versions: "0-2", flexible: 0 },
  {
    brokerId: int32("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
    currentMetadataOffset: int64("0+"),
    wantFence: boolean("0+"),
    wantShutDown: boolean("0+"),
    offlineLogDirs: array("1+", uuid("0+"), { tag: 0 }),
    cordonedLogDirs: nullableArray("2+", uuid("0+"), { nullable: "2+", tag: 1, default: null }),
    // The newest resourceVersions that the sender knows of, by kind as in `TOLD_KINDS`; also in the answer.
    newestVersions: array("0+", int64("0+"), { tag: FIRST_OWN_TAG }),
  },
);
export type BrokerHeartbeatRequest = MessageOf<typeof brokerHeartbeatRequest>;

export const brokerHeartbeatResponse = defineMessage(
  { name: "BrokerHeartbeatResponse", apiKey: 63, kind: "response", versions: "0-2", flexible: 0 },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    isCaughtUp: boolean("0+"),
    isFenced: boolean("0+", { default: true }),
    shouldShutDown: boolean("0+"),
    newestVersions: array("0+", int64("0+"), { tag: FIRST_OWN_TAG }),
  },
);
export type BrokerHeartbeatResponse = MessageOf<typeof brokerHeartbeatResponse>;
