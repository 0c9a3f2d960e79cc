import {
  completeMove,
  drain,
  type ElectionRules,
  type PartitionChange,
  preferLeader,
  settle,
} from "../../cluster/partition-change.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionPlacement, PartitionState } from "../../cluster/partition-slice.ts";

/** What the controller wants of one partition: the first step that has something to change. (core) */
export function electionStep(rules: ElectionRules, draining: readonly BrokerId[]): PartitionChange {
  return (state, placement) => {
    const settled = settle(state, placement, rules);
    if (settled !== undefined) return settled;
    const moved = completeMove(state, placement, rules);
    if (moved !== undefined) return moved;
    for (const broker of draining) {
      const drained = drain(state, placement, broker, rules);
      if (drained !== undefined) return drained;
    }
    return undefined;
  };
}

/**
 * Whether a partition is as it should be while no broker is draining: led, all in-sync replicas alive and placed, nothing
 * on the move. Then no step has anything to change; of thousands of partitions nearly all are so, nearly always. (core)
 */
export function isSettled(
  { leader, isr }: PartitionState,
  { replicas, adding, removing }: PartitionPlacement,
  alive: (id: BrokerId) => boolean,
): boolean {
  if (adding !== undefined || removing !== undefined) return false;
  if (!alive(leader)) return false;
  for (const id of isr) if (!alive(id) || !replicas.includes(id)) return false;
  return true;
}

/** The preferred leader back, if it has been alive for the settle time. (core) */
export function preferenceStep(
  rules: ElectionRules,
  settledBroker: (id: BrokerId) => boolean,
): PartitionChange {
  return (state, placement) => {
    const preferred = placement.replicas[0];
    if (preferred === undefined || !settledBroker(preferred)) return undefined;
    if ((placement.adding ?? []).includes(preferred)) return undefined;
    return preferLeader(state, placement, rules);
  };
}
