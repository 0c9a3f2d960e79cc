import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { servedApis } from "../handlers/index.ts";
import { ipOf } from "../quotas/quota-entity.ts";
import type { BrokerServices } from "../services.ts";
import { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatch.ts";
import type { Listening } from "./frame-channel.ts";
import type { ListenerLimits } from "./listener-limits.ts";
import { SlowClients } from "./slow-clients.ts";

/** Opens one listener of the broker; "internal" also serves what brokers say to each other. */
export function serveKafka(options: {
  readonly services: BrokerServices;
  readonly limits: ListenerLimits;
  readonly listener: string;
  readonly host: string;
  readonly port: number;
}): Promise<Listening> {
  const { services, limits, listener, host, port } = options;
  const { config } = services;
  const { network, logger, panic, scheduler } = services.environment;
  const dispatcher = new Dispatcher(servedApis, logger, panic);
  const slowMs = config.number("forebay.slow.client.ms");
  const slow = (limits.slow ??= slowClients(limits, scheduler, slowMs));
  return network.listen(
    host,
    port,
    (channel) => {
      const connection = new Connection({
        channel,
        dispatcher,
        services,
        listener,
        logger,
        limits,
      });
      slow.add(connection);
      if (listener !== "internal" && services.quotas.active) {
        const wait = services.quotas.connected(ipOf(channel.remote), scheduler.now());
        if (wait > 0) connection.mute(wait);
      }
      connection.whenClosed(() => {
        slow.remove(connection);
      });
      return connection;
    },
    {
      maxFrameBytes: config.number("socket.request.max.bytes"),
      maxConnections: config.number("max.connections"),
      maxConnectionsPerIp: config.maxConnectionsPerIp,
      requests: limits.requests,
      slowRequestMs: slowMs,
    },
  );
}

/** Those who do not take their answers, looked at when the memory that they share is short. */
function slowClients(
  limits: ListenerLimits,
  scheduler: Scheduler,
  patienceMs: Millis,
): SlowClients {
  const slow = new SlowClients({ scheduler, isShort: () => limits.answers.short, patienceMs });
  limits.answers.onShort = () => {
    slow.watch();
  };
  return slow;
}
