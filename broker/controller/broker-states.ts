import { brokerConditions } from "../../cluster/broker-conditions.ts";
import type { BrokerId, BrokerState } from "../../cluster/broker.ts";
import { brokers } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { BrokerImage } from "../metadata/view.ts";
import type { BrokerSession } from "./broker-sessions.ts";

export interface BrokerStatesOptions {
  readonly clusterName: string;
  readonly namespace: string;
  readonly kube: KubeApi;
  readonly image: MetadataImage;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** A broker is recorded as one that is on its way out. */
  readonly onDraining: () => void;
}

/** Has Broker.status.state say what the sessions say: one write of a broker at a time, tried again with the next look. */
export class BrokerStates {
  readonly #options: BrokerStatesOptions;
  readonly #writing = new Set<BrokerId>();

  constructor(options: BrokerStatesOptions) {
    this.#options = options;
  }

  record(sessions: Iterable<BrokerSession>): void {
    const { image, logger, onDraining } = this.#options;
    for (const session of sessions) {
      const broker = image.brokers.get(session.id);
      if (broker?.epoch !== session.epoch || this.#writing.has(session.id)) continue;
      const wanted =
        session.state === "dead" ? "fenced" : session.draining ? "draining" : "running";
      if (broker.state === wanted) continue;
      this.#writing.add(session.id);
      this.#write(broker, wanted)
        .then(() => {
          if (wanted === "draining") onDraining();
        })
        .catch((error: unknown) => {
          logger.debug("broker state not recorded yet", {
            broker: session.id,
            error: String(error),
          });
        })
        .finally(() => {
          this.#writing.delete(session.id);
        })
        .catch(() => undefined);
    }
  }

  async #write(
    { id, epoch, conditions, generation }: BrokerImage,
    state: BrokerState,
  ): Promise<void> {
    const { kube, namespace, clusterName, image, scheduler } = this.#options;
    const written = await kube.jsonPatch(
      brokers,
      namespace,
      `${clusterName}-${String(id)}`,
      [
        { op: "test", path: "/status/epoch", value: epoch },
        { op: "replace", path: "/status/state", value: state },
        {
          op: "add",
          path: "/status/conditions",
          value: brokerConditions(state, conditions, generation, scheduler.wallNow()),
        },
      ],
      { subresource: "status" },
    );
    image.absorbBroker(written);
  }
}
