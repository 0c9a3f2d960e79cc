import type { BrokerId } from "../../cluster/broker.ts";
import type { Millis } from "../../lib/units.ts";
import type { Offset } from "../log/types.ts";

/** A replica that a consumer could read from, as its leader knows it. */
export interface ReadableReplica {
  readonly id: BrokerId;
  /** All before it is there, from `logStartOffset` on. */
  readonly logEndOffset: Offset;
  readonly logStartOffset: Offset;
  /** When it last had everything. */
  readonly caughtUpAt: Millis;
}

/** Kafka's name for reading from the nearest replica (`replica.selector.class`, KIP-392). */
export const RACK_AWARE_SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/**
 * Whom a consumer of `rack` should read from instead of the leader (KIP-392): of the in-sync replicas in its rack that
 * have the offset, the one with most, and of those the one that was caught up last. (pure)
 * @param leaderRack the leader itself is read from when it is in the consumer's rack.
 * @param rackOf rack of a replica that can be gone to, undefined for one that cannot or has none.
 * @returns undefined for the leader
 */
export function preferredReadReplica(
  rack: string,
  fetchOffset: Offset,
  leaderRack: string | undefined,
  followers: Iterable<ReadableReplica>,
  rackOf: (id: BrokerId) => string | undefined,
): BrokerId | undefined {
  if (rack === "" || rack === leaderRack) return undefined;
  let best: ReadableReplica | undefined;
  for (const one of followers) {
    if (rackOf(one.id) !== rack) continue;
    if (one.logEndOffset < fetchOffset || one.logStartOffset > fetchOffset) continue;
    if (best === undefined || isAhead(one, best)) best = one;
  }
  return best?.id;
}

function isAhead(a: ReadableReplica, b: ReadableReplica): boolean {
  if (a.logEndOffset !== b.logEndOffset) return a.logEndOffset > b.logEndOffset;
  return a.caughtUpAt > b.caughtUpAt;
}
