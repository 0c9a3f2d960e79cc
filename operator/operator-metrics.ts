import type { MetricsRegistry } from "../lib/metrics.ts";
import type { Operator } from "./operator.ts";

/** What the operator tells of itself; read only when asked for. `operator` is undefined while this process waits. */
export function addOperatorMetrics(
  registry: MetricsRegistry,
  sources: {
    readonly operator: () => Operator | undefined;
    readonly leading: () => boolean;
    readonly residentBytes: () => number;
  },
): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    registry.add({ name, help, type: "gauge", values: () => [{ value: value() }] });
  };
  gauge("forebay_operator_leading", "1 on the operator that holds the Lease.", () =>
    Number(sources.leading()),
  );
  gauge("forebay_operator_resident_bytes", "Resident memory of the process.", () =>
    sources.residentBytes(),
  );
  registry.add({
    name: "forebay_operator_objects",
    help: "Objects in the caches of the leading operator, by resource.",
    type: "gauge",
    values: () =>
      Object.entries(sources.operator()?.sizes() ?? {}).map(([resource, value]) => ({
        labels: { resource },
        value,
      })),
  });
  registry.add({
    name: "forebay_operator_cluster_ready",
    help: "1 for each BrokerCluster whose condition Ready is True, else 0.",
    type: "gauge",
    values: () =>
      (sources.operator()?.clusters() ?? []).map(({ namespace, name, ready }) => ({
        labels: { namespace, cluster: name },
        value: Number(ready),
      })),
  });
}
