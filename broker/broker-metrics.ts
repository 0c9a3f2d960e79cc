import type { MetricsRegistry } from "../lib/metrics.ts";
import type { Broker } from "./broker.ts";
import type { CompactionStats } from "./log/types.ts";

/** What a broker tells of itself; read only when asked for. */
export function addBrokerMetrics(registry: MetricsRegistry, broker: Broker): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    registry.add({ name, help, type: "gauge", values: () => [{ value: value() }] });
  };
  const count = (
    wanted: (partition: { isLeader: boolean; underReplicated: boolean }) => boolean,
  ): number => {
    let total = 0;
    for (const partition of broker.replicas?.all() ?? []) {
      const { record } = partition;
      const underReplicated = (record.state?.isr.length ?? 0) < record.placement.replicas.length;
      if (wanted({ isLeader: partition.isLeader, underReplicated })) total++;
    }
    return total;
  };
  gauge("forebay_broker_epoch", "Epoch of this broker's registration.", () => broker.epoch);
  gauge("forebay_controller_active", "1 on the broker that is the controller.", () =>
    Number(broker.isController),
  );
  gauge(
    "forebay_in_touch",
    "1 while the controller or the API was heard within the session timeout.",
    () => Number(broker.inTouch),
  );
  gauge("forebay_partitions", "Replicas on this broker.", () => count(() => true));
  gauge("forebay_leaders", "Partitions led by this broker.", () => count((one) => one.isLeader));
  gauge("forebay_under_replicated_partitions", "Led partitions with replicas out of sync.", () =>
    count((one) => one.isLeader && one.underReplicated),
  );
  gauge(
    "forebay_leadership_patches_total",
    "Patches of LeadershipShard status sent.",
    () => broker.patches,
  );
  gauge(
    "forebay_damaged_batches_total",
    "Batches on disk that were found damaged.",
    () => broker.replicas?.damage.counts.found ?? 0,
  );
  gauge(
    "forebay_repaired_batches_total",
    "Damaged batches that were replaced by another replica's.",
    () => broker.replicas?.damage.counts.repaired ?? 0,
  );
  gauge(
    "forebay_held_partitions",
    "Replicas that take nothing until damage on their disk is repaired.",
    () => broker.logs?.held.logs ?? 0,
  );
  gauge(
    "forebay_uncut_partitions",
    "Those of them that damage keeps from being cut: the journal is kept for them, and grows.",
    () => broker.logs?.held.uncut ?? 0,
  );
  gauge(
    "forebay_volume_free_bytes",
    "Free bytes of the volume.",
    () => broker.logs?.usage.freeBytes ?? 0,
  );
  gauge(
    "forebay_volume_short",
    "1 while clients' records are refused because the volume is nearly full.",
    () => Number(broker.logs?.room === "short"),
  );
  gauge(
    "forebay_volume_capacity_bytes",
    "Size of the volume.",
    () => broker.logs?.usage.capacityBytes ?? 0,
  );
  const compaction: readonly [
    name: string,
    help: string,
    type: "counter" | "gauge",
    value: (stats: CompactionStats) => number,
  ][] = [
    ["runs_total", "Parts of logs compacted.", "counter", (one) => one.runs],
    ["read_bytes_total", "Bytes read by compaction.", "counter", (one) => one.bytesRead],
    ["written_bytes_total", "Bytes written by compaction.", "counter", (one) => one.bytesWritten],
    [
      "removed_records_total",
      "Records removed by compaction.",
      "counter",
      (one) => one.recordsRemoved,
    ],
    [
      "max_dirty_ratio",
      "Largest share of a compacted log that is new since it was compacted.",
      "gauge",
      (one) => one.maxDirtyRatio,
    ],
    [
      "uncleanable_partitions",
      "Replicas that are not compacted because of damage.",
      "gauge",
      (one) => one.uncleanable,
    ],
  ];
  for (const [name, help, type, value] of compaction) {
    registry.add({
      name: `forebay_log_cleaner_${name}`,
      help,
      type,
      values: () => {
        const stats = broker.logs?.compaction;
        return stats === undefined ? [] : [{ value: value(stats) }];
      },
    });
  }
  registry.add({
    name: "forebay_memory_bytes",
    help: "Memory in use of what configuration bounds: tail, held (of the tail, by answers), requests, answers.",
    type: "gauge",
    values: () =>
      Object.entries(broker.memory).map(([part, value]) => ({ labels: { part }, value })),
  });
  registry.add({
    name: "forebay_log_end_offset",
    help: "Next offset of each replica.",
    type: "gauge",
    values: () =>
      [...(broker.replicas?.all() ?? [])].map((one) => ({
        labels: { topic: one.topic, partition: String(one.partition) },
        value: one.log.logEndOffset,
      })),
  });
}
