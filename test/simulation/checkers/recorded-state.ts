import type { PartitionSlice, PartitionState } from "../../../cluster/partition-slice.ts";
import { NO_LEADER } from "../../../cluster/partition-slice.ts";
import type { Report } from "./report.ts";

/**
 * C1, C2, C4, C5 on every change of a PartitionSlice's status.
 * @param mayEmpty whether a broker's volume was lost, which is the one reason for an ISR to lose its last member (C5)
 */
export function checkRecordedChange(
  before: PartitionSlice,
  after: PartitionSlice,
  report: Report,
  volumesLost: boolean,
): void {
  const { topic, firstPartition } = after.spec;
  const old = before.status?.partitions ?? [];
  const now = after.status?.partitions ?? [];
  if (now.length < old.length) report("C1", `${topic}: records of partitions went away`);
  for (const [index, next] of now.entries()) {
    const previous = old[index];
    if (previous === undefined || same(previous, next)) continue;
    const where = `${topic}-${firstPartition + index}`;
    const change = `${text(previous)} -> ${text(next)}`;
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

function same(a: PartitionState, b: PartitionState): boolean {
  return a.partitionEpoch === b.partitionEpoch && text(a) === text(b);
}

export function text(state: PartitionState): string {
  const { leader, leaderEpoch, isr, elr, partitionEpoch } = state;
  const elrText = elr.length === 0 ? "" : ` elr ${elr.join(",")}`;
  return `[${leader}/${leaderEpoch} isr ${isr.join(",")}${elrText} #${partitionEpoch}]`;
}
