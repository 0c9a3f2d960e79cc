import { assert } from "../../lib/assert.ts";
import type { EpochEnd, Offset } from "../log/types.ts";

/**
 * Where a follower cuts its log when the leader says that its records diverge (KIP-101, KIP-279, KIP-320): at the end of
 * the largest epoch at or below the leader's that both know. (pure)
 * @param leaderSays epoch and end offset from the leader's answer.
 * @param endOfEpoch of the follower's own log.
 */
export function truncationOffset(
  leaderSays: EpochEnd,
  endOfEpoch: (leaderEpoch: number) => EpochEnd,
  logStartOffset: Offset,
  logEndOffset: Offset,
): Offset {
  const own = endOfEpoch(leaderSays.leaderEpoch);
  const common = own.endOffset < 0 ? logStartOffset : own.endOffset;
  return Math.max(logStartOffset, Math.min(common, leaderSays.endOffset, logEndOffset));
}

/**
 * The leader's side: whether a follower that ends at `fetchOffset` with a record of `lastFetchedEpoch` is on the same
 * history, and if not, where the follower has to look. (pure)
 */
export function divergence(
  lastFetchedEpoch: number,
  fetchOffset: Offset,
  endOfEpoch: (leaderEpoch: number) => EpochEnd,
): EpochEnd | undefined {
  if (lastFetchedEpoch < 0) return undefined;
  const own = endOfEpoch(lastFetchedEpoch);
  if (own.leaderEpoch === lastFetchedEpoch && own.endOffset >= fetchOffset) return undefined;
  // The leader knows its own epoch, so it knows every epoch that a follower of its history can have.
  assert(own.endOffset >= 0, "R4: a follower is at no epoch beyond its leader's");
  return own;
}
