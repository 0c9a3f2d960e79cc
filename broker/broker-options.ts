import type { BrokerEndpoint, BrokerId } from "../cluster/broker.ts";
import type { BrokerConfig } from "./config.ts";
import type { ListenOptions } from "./listeners.ts";

export interface BrokerOptions {
  readonly clusterName: string;
  readonly namespace: string;
  readonly brokerId: BrokerId;
  readonly rack?: string;
  readonly version: string;
  readonly config: BrokerConfig;
  readonly listen: ListenOptions;
}

/** Where clients and other brokers reach a broker, as it registers. */
export function advertisedEndpoints(listen: ListenOptions): BrokerEndpoint[] {
  const { advertisedHost: host, ports, advertisedPorts } = listen;
  const { internal, plaintext } = advertisedPorts ?? ports;
  return [
    { name: "internal", host, port: internal, protocol: "PLAINTEXT" },
    { name: "plaintext", host, port: plaintext, protocol: "PLAINTEXT" },
  ];
}
