import type { Millis } from "../../lib/units.ts";
import type { PartitionFetch } from "./fetch-session-client.ts";
import type { Partition } from "./partition.ts";

/** One followed partition, in one leader epoch. */
export interface Followed {
  readonly partition: Partition;
  readonly leaderEpoch: number;
  /** Not asked for before this time. */
  notBefore: Millis;
  /** A truncation is under way. */
  busy: boolean;
}

/** What is to be asked of a partition, if it may be asked for. */
export function fetchOf(
  { partition, leaderEpoch, notBefore, busy }: Followed,
  now: Millis,
): PartitionFetch | undefined {
  const { log, topicId, partition: index } = partition;
  // What is held for damage takes nothing, and may begin anew (see `DamageRepair`): it says nothing of what it has.
  if (busy || notBefore > now || log.held) return undefined;
  // Not stable yet: something was appended by an answer that came in between; the next round has it.
  if (log.stableOffset < log.logEndOffset) return undefined;
  return {
    topicId,
    partition: index,
    currentLeaderEpoch: leaderEpoch,
    fetchOffset: log.logEndOffset,
    lastFetchedEpoch: log.lastRecordEpoch,
    logStartOffset: log.logStartOffset,
  };
}
