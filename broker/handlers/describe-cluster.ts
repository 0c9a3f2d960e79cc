import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeClusterRequest,
  describeClusterResponse,
} from "../protocol/messages/describe-cluster.ts";
import type { InputOf } from "../protocol/schema.ts";
import { endpointOf } from "./common.ts";
import type { Handler } from "./handler.ts";

const BROKERS = 1;

/** The cluster's brokers (KIP-700, KIP-919). */
export const handleDescribeCluster: Handler<
  DescribeClusterRequest,
  InputOf<typeof describeClusterResponse>
> = ({ services, listener }, request) => {
  const { metadata } = services;
  if (request.endpointType !== BROKERS) {
    return {
      errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
      errorMessage: "Only brokers can be described here.",
      clusterId: metadata.clusterId,
    };
  }
  const brokers = [...metadata.brokers.values()].flatMap((broker) => {
    const endpoint = endpointOf(metadata, broker.id, listener);
    if (endpoint === undefined || (broker.fenced && !request.includeFencedBrokers)) return [];
    return [
      {
        brokerId: broker.id,
        host: endpoint.host,
        port: endpoint.port,
        rack: broker.rack ?? null,
        isFenced: broker.fenced,
      },
    ];
  });
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    endpointType: BROKERS,
    clusterId: metadata.clusterId,
    controllerId: metadata.controllerId,
    brokers,
  };
};
