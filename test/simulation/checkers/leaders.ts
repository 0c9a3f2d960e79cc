import type { Broker } from "../../../broker/broker.ts";
import type { Report } from "./report.ts";

/** R1, C2 and C3 on the live brokers, looked at again and again while they run. */
export class LeaderChecker {
  readonly #report: Report;
  /** Which process leads in each leader epoch. */
  readonly #leaders = new Map<string, string>();
  readonly #highWatermarks = new Map<string, number>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** @param process names the process: a broker that was started again is another one */
  look(broker: Broker, process: string): void {
    for (const partition of broker.replicas?.all() ?? []) {
      const { leaderReplica, log } = partition;
      if (leaderReplica === undefined) continue;
      const where = `${partition.topic}-${partition.partition}`;
      const epoch = `${partition.topicId} ${where} ${leaderReplica.leaderEpoch}`;
      const known = this.#leaders.get(epoch);
      if (known === undefined) this.#leaders.set(epoch, process);
      else if (known !== process) {
        this.#report(
          "C2",
          `${where}: ${known} and ${process} lead in ${leaderReplica.leaderEpoch}`,
        );
      }
      const { highWatermark } = leaderReplica;
      if (highWatermark > log.logEndOffset) {
        this.#report("R1", `${where}: high watermark ${highWatermark} > ${log.logEndOffset}`);
      }
      if (log.stableOffset > log.logEndOffset) {
        this.#report("L1", `${where}: stable ${log.stableOffset} > ${log.logEndOffset}`);
      }
      const before = this.#highWatermarks.get(epoch) ?? 0;
      if (highWatermark < before) {
        this.#report("R1", `${where}: high watermark fell from ${before} to ${highWatermark}`);
      }
      this.#highWatermarks.set(epoch, Math.max(before, highWatermark));
    }
  }
}
