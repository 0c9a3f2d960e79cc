import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  BrokerHeartbeatRequest,
  brokerHeartbeatResponse,
} from "../protocol/messages/broker-heartbeat.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";
import { fromList, listed } from "../metadata/stale-watch.ts";

const CODES = {
  none: ErrorCode.NONE,
  "not-controller": ErrorCode.NOT_CONTROLLER,
  resigned: ErrorCode.LEADER_NOT_AVAILABLE,
  "stale-epoch": ErrorCode.STALE_BROKER_EPOCH,
  "out-of-touch": ErrorCode.BROKER_NOT_AVAILABLE,
} as const;

/** Connections whose loss the controller is told of, once each. */
const watched = new WeakSet();

/** A broker's session with this one as the controller (KIP-631); when its connection breaks the controller looks after it. */
export const handleBrokerHeartbeat: Handler<
  BrokerHeartbeatRequest,
  InputOf<typeof brokerHeartbeatResponse>
> = ({ services, connection }, request) => {
  const { controller } = services;
  const { brokerId, brokerEpoch, wantShutDown, currentMetadataOffset } = request;
  const answer = controller.heartbeat(
    brokerId,
    brokerEpoch,
    wantShutDown,
    currentMetadataOffset,
    fromList(request.newestVersions),
  );
  if (connection !== undefined && !watched.has(connection)) {
    watched.add(connection);
    connection.whenClosed(() => {
      controller.probe(brokerId, brokerEpoch);
    });
  }
  return {
    errorCode: CODES[answer.errorCode],
    isCaughtUp: answer.isCaughtUp,
    isFenced: answer.isFenced,
    shouldShutDown: answer.shouldShutDown,
    newestVersions: listed(answer.newest),
  };
};
