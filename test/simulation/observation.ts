import type { BrokerObject } from "../../cluster/broker.ts";
import { HighWatermarkChecker } from "./checkers/high-watermark.ts";
import { InSyncReplicasChecker } from "./checkers/in-sync-replicas.ts";
import type { Report } from "./checkers/report.ts";
import { VolumeChecker } from "./checkers/volume.ts";
import type { SimClock } from "./clock.ts";
import type { SimBroker, SimCluster } from "./cluster.ts";
import type { Model } from "./model.ts";
import { ReplicaObserver } from "./replicas.ts";

/** Ties the checkers that look on while the cluster runs to what they look at. */
export function observe(options: {
  readonly cluster: SimCluster;
  readonly model: Model;
  readonly clock: SimClock;
  readonly report: Report;
}): void {
  const { cluster, model, clock, report } = options;
  const minInSyncReplicas = (topic: string): number | undefined =>
    cluster.shape.topics.find(({ name }) => name === topic)?.minInSyncReplicas;
  const exempt = (id: number): boolean => cluster.at(id).volumeLost;
  const observer = new ReplicaObserver(report);
  const members = new InSyncReplicasChecker(report, observer, exempt, (id) =>
    cluster.onceLost.has(id),
  );
  const recordedIsr = (topicId: string, partition: number): readonly number[] => {
    for (const { spec, states } of cluster.slices()) {
      const state = states[partition - spec.firstPartition];
      if (spec.topicId === topicId && state !== undefined) return state.isr;
    }
    return [];
  };
  const watermarks = new HighWatermarkChecker({
    report,
    observer,
    exempt,
    minInSyncReplicas,
    recordedIsr,
  });
  const volumes = new VolumeChecker(report, () => cluster.slices());
  const forgotten = new Set<number>();

  const look = (one: SimBroker): Promise<void> | undefined => {
    if (one.volumeLost && !forgotten.has(one.id)) {
      forgotten.add(one.id);
      observer.forget(one.id);
    } else if (!one.volumeLost) forgotten.delete(one.id);
    const { process, broker, host } = one;
    if (!process.ran || broker === undefined || !process.alive) return undefined;
    process.ran = false;
    if (broker.logs !== undefined && cluster.opened(one, broker.logs.storageId)) {
      forgotten.add(one.id);
      observer.disown(one.id);
    }
    const found = observer.look(one);
    watermarks.look(broker, `${host}(${String(process.incarnation)})`);
    return found?.then(() => {
      for (const slice of cluster.slices()) members.look(slice);
    });
  };
  clock.afterStep = () => {
    let pending: Promise<void> | undefined;
    for (const one of cluster.brokers) {
      const looking = look(one);
      if (looking !== undefined) pending = pending?.then(() => looking) ?? looking;
    }
    return pending;
  };
  cluster.store.onChange(({ resource, object, old, type }) => {
    if (type === "DELETED") return;
    if (resource.endsWith("/leadershipshards")) {
      for (const slice of cluster.slices()) members.look(slice);
    } else if (resource.endsWith("/brokers")) {
      volumes.changed(old as BrokerObject | undefined, object as BrokerObject);
      cluster.registered(object as BrokerObject);
    }
  });
  model.onAcked = (topic, partition, baseOffset, count) => {
    for (const slice of cluster.slices()) {
      const index = partition - slice.spec.firstPartition;
      if (slice.spec.topic !== topic || slice.spec.partitions[index] === undefined) continue;
      members.acknowledged(slice, index, baseOffset, count, minInSyncReplicas(topic) ?? 1);
    }
  };
}
