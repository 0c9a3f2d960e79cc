import type { Broker } from "../../../broker/broker.ts";
import type { LeaderReplica } from "../../../broker/replication/leader-replica.ts";
import type { ReplicaObserver } from "../replicas.ts";
import type { Report } from "./report.ts";

/**
 * After each step of a broker, on the partitions that it leads: C2 and C3 (one process leads in one leader epoch), R1 (the
 * high watermark is at most the log end and never falls), R2 (it is at most what every member of the ISR has on stable
 * storage, as the simulator knows it), R3 (it stands while the ISR is under `min.insync.replicas`).
 */
export class HighWatermarkChecker {
  readonly #report: Report;
  readonly #observer: ReplicaObserver;
  readonly #exempt: (brokerId: number) => boolean;
  readonly #minInSyncReplicas: (topic: string) => number | undefined;
  readonly #recordedIsr: (topicId: string, partition: number) => readonly number[];
  readonly #seen = new WeakMap<LeaderReplica, number>();
  /** Which process leads in each leader epoch. */
  readonly #leaders = new Map<string, string>();

  constructor(options: {
    readonly report: Report;
    readonly observer: ReplicaObserver;
    readonly exempt: (brokerId: number) => boolean;
    readonly minInSyncReplicas: (topic: string) => number | undefined;
    readonly recordedIsr: (topicId: string, partition: number) => readonly number[];
  }) {
    this.#report = options.report;
    this.#observer = options.observer;
    this.#exempt = options.exempt;
    this.#minInSyncReplicas = options.minInSyncReplicas;
    this.#recordedIsr = options.recordedIsr;
  }

  /** @param process names the process: a broker that was started again is another one */
  look(broker: Broker, process: string): void {
    for (const partition of broker.replicas?.all() ?? []) {
      const { leaderReplica: leader, log, topic, topicId } = partition;
      if (leader === undefined) continue;
      const before = this.#seen.get(leader);
      const { highWatermark } = leader;
      if (before === highWatermark) continue;
      this.#seen.set(leader, highWatermark);
      const where = `${topicId}/${String(partition.partition)}`;
      const name = `${topic}-${String(partition.partition)}`;
      if (highWatermark > log.logEndOffset) {
        this.#report("R1", `${name}: high watermark ${highWatermark} > ${log.logEndOffset}`);
      }
      if (before === undefined) {
        this.#claim(`${where} ${String(leader.leaderEpoch)}`, name, process);
        continue;
      }
      if (highWatermark < before) {
        this.#report("R1", `${name}: high watermark fell from ${before} to ${highWatermark}`);
        continue;
      }
      const minimum = this.#minInSyncReplicas(topic) ?? 1;
      if (leader.isr.length < minimum) {
        this.#report("R3", `${name}: high watermark moved with ISR ${leader.isr.join()}`);
      }
      // One that has left the recorded ISR since the leader heard of it may have come back on another volume.
      const recorded = this.#recordedIsr(topicId, partition.partition);
      for (const id of leader.isr) {
        if (this.#exempt(id) || !recorded.includes(id)) continue;
        const stable = this.#observer.replica(where, id)?.stableOffset ?? 0;
        if (stable >= highWatermark) continue;
        this.#report(
          "R2",
          `${name}: high watermark ${highWatermark}, but broker-${String(id)} of its ISR is stable up to ${String(stable)}`,
        );
      }
    }
  }

  #claim(epoch: string, name: string, process: string): void {
    const known = this.#leaders.get(epoch);
    if (known === undefined) this.#leaders.set(epoch, process);
    else if (known !== process) {
      this.#report("C2", `${name}: ${known} and ${process} lead in one leader epoch (${epoch})`);
    }
  }
}
