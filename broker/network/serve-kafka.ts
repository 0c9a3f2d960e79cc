import { servedApis } from "../handlers/index.ts";
import type { BrokerServices } from "../services.ts";
import { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatch.ts";
import type { Listening } from "./frame-channel.ts";

/** Opens one listener of the broker; "internal" also serves what brokers say to each other. */
export function serveKafka(options: {
  readonly services: BrokerServices;
  readonly listener: string;
  readonly host: string;
  readonly port: number;
}): Promise<Listening> {
  const { services, listener, host, port } = options;
  const { network, logger, panic } = services.environment;
  const dispatcher = new Dispatcher(servedApis, logger, panic);
  return network.listen(
    host,
    port,
    (channel) => new Connection({ channel, dispatcher, services, listener, logger }),
    {
      maxFrameBytes: services.config.number("socket.request.max.bytes"),
      maxConnections: services.config.number("max.connections"),
    },
  );
}
