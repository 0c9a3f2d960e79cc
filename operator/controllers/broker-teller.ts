import type { BrokerState } from "../../cluster/broker.ts";
import { type Caches, find, keyOf } from "../caches.ts";
import { EventRecorder } from "../events.ts";
import type { OperatorOptions } from "../operator.ts";

/**
 * Tells people of a cluster that a broker was lost, and that it runs again. One that drained first stops as planned, which
 * is told where it is decided. What happens while no operator runs is not told: the Broker's status is what counts.
 */
export function startBrokerTeller(options: OperatorOptions, caches: Caches): { stop(): void } {
  const events = new EventRecorder(options);
  /** The state of each broker as it was seen last, by key. */
  const states = new Map<string, BrokerState>();
  const lost = new Set<string>();
  let stopped = false;
  caches.brokers.onChange(({ object, type }) => {
    const key = keyOf(object);
    if (type === "DELETED") {
      states.delete(key);
      lost.delete(key);
      return;
    }
    const { state, epoch = 0 } = object.status ?? {};
    const before = states.get(key);
    if (stopped || state === undefined || state === before) return;
    states.set(key, state);
    const { cluster: name, id } = object.spec;
    const cluster = find(caches.clusters, object.metadata.namespace ?? "default", name);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) return;
    if (before === "running" && state === "fenced") {
      lost.add(key);
      const message = `broker ${String(id)} does not answer or was started again: it leads nothing until it runs`;
      events.record(cluster, "Warning", "BrokerLost", message, String(epoch));
    } else if (state === "running" && lost.delete(key)) {
      const message = `broker ${String(id)} runs again`;
      events.record(cluster, "Normal", "BrokerReturned", message, String(epoch));
    }
  });
  return {
    stop: () => {
      stopped = true;
    },
  };
}
