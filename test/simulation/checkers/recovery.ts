import type { ReplicaLog } from "../replicas.ts";
import type { Report } from "./report.ts";

/**
 * L1 and L2 when a log is opened again: what was stable is there, batch for batch, and nothing that was never appended
 * or whose truncation had been promised.
 */
export function checkRecovered(
  name: string,
  former: ReplicaLog,
  now: ReplicaLog,
  report: Report,
): void {
  const { stableOffset } = former;
  if (now.endOffset < Math.min(stableOffset, former.endOffset)) {
    report(
      "L1",
      `${name} was stable up to ${String(stableOffset)} and ends at ${String(now.endOffset)} after a start`,
    );
    return;
  }
  for (const batch of former.batches) {
    if (batch.lastOffset >= stableOffset || batch.baseOffset < now.log.logStartOffset) continue;
    if (now.at(batch.baseOffset)?.chain !== batch.chain) {
      report("L1", `${name}@${String(batch.baseOffset)}: a stable batch is another after a start`);
      return;
    }
  }
  const could = new Set([...former.batches, ...former.ghosts].map(({ chain }) => chain));
  for (const batch of now.batches) {
    if (could.has(batch.chain)) continue;
    report("L2", `${name}@${String(batch.baseOffset)}: a start found what the log did not have`);
    return;
  }
}
