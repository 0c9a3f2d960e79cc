import { parseState, type PartitionStates } from "../../../cluster/leadership-shard.ts";
import { NO_LEADER } from "../../../cluster/partition-slice.ts";
import type { Report } from "./report.ts";

/**
 * C1, C2, C4, C5 on every change of a LeadershipShard's status.
 * @param nameOf a partition for people, by its key; undefined once its topic is gone
 * @param mayEmpty whether a broker's volume was lost, which is the one reason for an ISR to lose its last member (C5)
 */
export function checkRecordedChange(
  before: PartitionStates,
  after: PartitionStates,
  nameOf: (key: string) => string | undefined,
  report: Report,
  volumesLost: boolean,
): void {
  for (const key of Object.keys(before)) {
    const name = after[key] === undefined ? nameOf(key) : undefined;
    if (name !== undefined) report("C1", `${name}: its record went away`);
  }
  for (const [key, text] of Object.entries(after)) {
    const old = before[key];
    if (old === undefined || old === text) continue;
    const previous = parseState(old);
    const next = parseState(text);
    const where = nameOf(key) ?? key;
    const change = `${old} -> ${text}`;
    if (next.partitionEpoch !== previous.partitionEpoch + 1) report("C1", `${where}: ${change}`);
    if (next.leaderEpoch < previous.leaderEpoch) report("C2", `${where}: ${change}`);
    const moved = next.leader !== previous.leader;
    if (moved && next.leaderEpoch === previous.leaderEpoch) report("C2", `${where}: ${change}`);
    if (next.leader !== NO_LEADER && next.leaderEpoch !== previous.leaderEpoch) {
      const eligible = previous.isr.includes(next.leader) || previous.elr.includes(next.leader);
      if (!eligible) report("C4", `${where}: ${change}`);
      if (!next.isr.includes(next.leader)) report("C4", `${where}: ${change}`);
    }
    if (next.isr.length === 0 && previous.isr.length > 0 && !volumesLost) {
      report("C5", `${where}: ${change}`);
    }
  }
}
