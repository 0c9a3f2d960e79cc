import { brokerClusters, API_VERSION } from "../cluster/resources.ts";
import type { BrokerCluster } from "../cluster/broker-cluster.ts";
import type { KubeApi } from "../kube/api.ts";
import { secondTime, type Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { MINUTE, type Millis } from "../lib/units.ts";
import { events, type EventObject } from "./resources/workloads.ts";

/** The same is not said again within this time. */
const QUIET: Millis = 10 * MINUTE;
const MAX_REMEMBERED = 1000;
const MAX_MESSAGE = 1024;
const COMPONENT = "forebay-operator";

export interface EventRecorderOptions {
  readonly kube: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
}

/** Tells people what was done about a cluster: core/v1 Events, as `kubectl describe` shows them. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** When what was said last, by cluster and text. */
  readonly #said = new Map<string, Millis>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Never fails and is not waited for: an event that is lost is only not shown. */
  record(cluster: BrokerCluster, type: EventObject["type"], reason: string, message: string): void {
    const { kube, scheduler, logger } = this.#options;
    const { name, uid, namespace = "default" } = cluster.metadata;
    const now = scheduler.now();
    const text = `${uid ?? name} ${reason} ${message}`;
    const before = this.#said.get(text);
    if (before !== undefined && now - before < QUIET) return;
    this.#said.delete(text);
    this.#said.set(text, now);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= MAX_REMEMBERED) break;
      this.#said.delete(oldest);
    }
    kube
      .create(events, namespace, this.#event(cluster, type, reason, message))
      .catch((error: unknown) => {
        logger.debug("an event was lost", { cluster: name, reason, error: String(error) });
      });
  }

  #event(
    { metadata }: BrokerCluster,
    type: EventObject["type"],
    reason: string,
    message: string,
  ): EventObject {
    const { scheduler, random } = this.#options;
    const { name, uid, resourceVersion, namespace = "default" } = metadata;
    const time = secondTime(scheduler.wallNow());
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name}.${Buffer.from(random.uuid()).toString("hex")}`, namespace },
      involvedObject: {
        apiVersion: API_VERSION,
        kind: brokerClusters.kind,
        name,
        namespace,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: COMPONENT },
      reportingComponent: COMPONENT,
      reportingInstance: COMPONENT,
    };
  }
}
