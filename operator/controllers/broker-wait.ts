import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import type { BrokerObject } from "../../cluster/broker.ts";
import type { PlacementBroker } from "../../cluster/replica-placement.ts";
import type { Informer } from "../../kube/informer.ts";
import type { Scheduler } from "../../lib/clock.ts";
import { SECOND, type Millis } from "../../lib/units.ts";
import { keyOf } from "../caches.ts";
import type { TopicFinding } from "../status/topic-status.ts";

/** How long the placement of a topic waits for brokers that have never been seen. */
const BROKERS_WAIT: Millis = 15 * SECOND;

/** A new cluster's topics wait until its brokers are known, or for a while: else the first one would get them all. */
export class BrokerWait {
  readonly #scheduler: Scheduler;
  readonly #brokers: Informer<BrokerObject>;
  /** Since when a cluster's brokers are waited for, by cluster key. */
  readonly #since = new Map<string, Millis>();

  constructor(scheduler: Scheduler, brokers: Informer<BrokerObject>) {
    this.#scheduler = scheduler;
    this.#brokers = brokers;
  }

  /** @returns what to tell of a topic with that many replicas, and after how long to look again; undefined when it can be placed */
  finding(
    cluster: BrokerCluster,
    replicas: number,
  ): (Extract<TopicFinding, { kind: "waiting" }> & { readonly left: Millis }) | undefined {
    const key = keyOf(cluster);
    const known = this.placeable(cluster).length;
    if (known >= cluster.spec.brokers) {
      this.#since.delete(key);
      return undefined;
    }
    const since = this.#since.get(key) ?? this.#scheduler.now();
    this.#since.set(key, since);
    const left = since + BROKERS_WAIT - this.#scheduler.now();
    if (left <= 0 && known >= replicas) return undefined;
    return {
      kind: "waiting",
      reason: "WaitingForBrokers",
      message: `${String(known)} of ${String(cluster.spec.brokers)} brokers have registered`,
      left,
    };
  }

  isUnderWay(namespace: string | undefined, cluster: string): boolean {
    return this.#since.has(`${namespace ?? "default"}/${cluster}`);
  }

  /** Brokers that have registered once and are to stay. */
  placeable(cluster: BrokerCluster): PlacementBroker[] {
    const found: PlacementBroker[] = [];
    for (const { metadata, spec, status } of this.#brokers.items().values()) {
      if (metadata.namespace !== cluster.metadata.namespace) continue;
      if (spec.cluster !== cluster.metadata.name || status === undefined) continue;
      if (spec.id >= cluster.spec.brokers) continue;
      found.push({ id: spec.id, ...(status.rack === undefined ? {} : { rack: status.rack }) });
    }
    return found;
  }
}
