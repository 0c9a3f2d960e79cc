import { assert } from "../lib/assert.ts";
import type { BrokerId } from "./broker.ts";
import { NO_LEADER, type PartitionPlacement, type PartitionState } from "./partition-slice.ts";

/**
 * Every change of a partition's recorded state, as functions from the state that was read to the state to be written
 * by compare-and-swap (docs/invariants.md C1 to C6). `undefined` means that there is nothing to change.
 */
export type PartitionChange = (
  state: PartitionState,
  placement: PartitionPlacement,
) => PartitionState | undefined;

/** What an election may count on. */
export interface ElectionRules {
  /** Brokers with a live session that may lead: registered, not fenced, not draining. */
  readonly eligible: (broker: BrokerId) => boolean;
  /** Brokers with a live session: those that stay in the ISR. */
  readonly alive: (broker: BrokerId) => boolean;
  /** min.insync.replicas of the topic. */
  readonly minInSyncReplicas: number;
  /** unclean.leader.election.enable of the topic. */
  readonly unclean: boolean;
}

/** The record of a partition that has none yet: led by its first live replica, all live replicas in the ISR. */
export function initialState(
  placement: PartitionPlacement,
  rules: ElectionRules,
): PartitionState | undefined {
  const isr = placement.replicas.filter((id) => rules.alive(id));
  const leader = isr.find((id) => rules.eligible(id));
  if (leader === undefined) return undefined;
  return { leader, leaderEpoch: 0, isr, elr: [], partitionEpoch: 0 };
}

/**
 * Takes brokers without a session out of the ISR, and elects a leader when there is none or the present one is among
 * them (KIP-966: from the ISR, then the ELR, and outside of them only when unclean elections are allowed).
 */
export function settle(
  state: PartitionState,
  placement: PartitionPlacement,
  rules: ElectionRules,
): PartitionState | undefined {
  const shrunk = leaveIsr(state, (id) => !rules.alive(id), rules.minInSyncReplicas);
  if (shrunk.leader !== NO_LEADER && rules.alive(shrunk.leader)) return changed(state, shrunk);
  const elected = elect(shrunk, placement, rules);
  if (elected !== undefined) return changed(state, elected);
  return changed(state, withLeader(shrunk, NO_LEADER));
}

/** A leader for a partition that has none, or another one for a leader that may not go on. */
function elect(
  state: PartitionState,
  placement: PartitionPlacement,
  rules: ElectionRules,
): PartitionState | undefined {
  const order = placement.replicas;
  const removing = placement.removing ?? [];
  const candidate = (set: readonly BrokerId[]): BrokerId | undefined =>
    order.find((id) => set.includes(id) && rules.eligible(id) && !removing.includes(id)) ??
    order.find((id) => set.includes(id) && rules.eligible(id));

  const fromIsr = candidate(state.isr);
  if (fromIsr !== undefined) return withLeader(state, fromIsr);
  // The ISR's members are away, so nothing was committed since the ELR's members left (R3): they have all of it, and so
  // have the absent members, which become eligible in turn.
  const fromElr = candidate(state.elr);
  if (fromElr !== undefined) {
    const elr = [...new Set([...state.isr, ...state.elr])].filter((id) => id !== fromElr);
    const isr = [fromElr];
    return withLeader(
      { ...state, isr, elr: isr.length >= rules.minInSyncReplicas ? [] : elr },
      fromElr,
    );
  }
  if (!rules.unclean) return undefined;
  const any = order.find((id) => rules.eligible(id));
  if (any === undefined) return undefined;
  return withLeader({ ...state, isr: [any], elr: [] }, any);
}

/** Hands leadership to another in-sync replica, and takes the broker out of the ISR where the minimum allows it. */
export function drain(
  state: PartitionState,
  placement: PartitionPlacement,
  broker: BrokerId,
  rules: ElectionRules,
): PartitionState | undefined {
  let next = state;
  if (next.leader === broker) {
    const others = next.isr.filter((id) => id !== broker);
    const successor = placement.replicas.find((id) => others.includes(id) && rules.eligible(id));
    if (successor === undefined) return undefined;
    next = withLeader(next, successor);
  }
  if (next.isr.includes(broker) && next.isr.length - 1 >= rules.minInSyncReplicas) {
    next = leaveIsr(next, (id) => id === broker, rules.minInSyncReplicas);
  }
  return changed(state, next);
}

/** The first replica in placement order leads again, if it is in sync and may lead. */
export function preferLeader(
  state: PartitionState,
  placement: PartitionPlacement,
  rules: ElectionRules,
): PartitionState | undefined {
  const preferred = placement.replicas[0];
  if (preferred === undefined || preferred === state.leader) return undefined;
  if (!state.isr.includes(preferred) || !rules.eligible(preferred)) return undefined;
  return changed(state, withLeader(state, preferred));
}

/** A starting broker gives up what its former process led (C3), and what it counted for if its volume is not the old one (C6). */
export function restart(
  state: PartitionState,
  placement: PartitionPlacement,
  broker: BrokerId,
  volumeLost: boolean,
): PartitionState | undefined {
  let next = state;
  if (next.leader === broker) next = withLeader(next, NO_LEADER);
  if (!volumeLost) return changed(state, next);
  if (!placement.replicas.includes(broker) && next === state) return undefined;
  next = {
    ...next,
    isr: next.isr.filter((id) => id !== broker),
    elr: next.elr.filter((id) => id !== broker),
  };
  // Written even when nothing else differs: the bump is what defeats an addition decided on the old volume (C7).
  return { ...next, partitionEpoch: state.partitionEpoch + 1 };
}

/**
 * A replica that is in the placement no more is about to delete its log. Nothing differs but the epoch, which defeats an
 * addition that was decided on an older placement (C7); nothing at all while it counts.
 */
export function depart(state: PartitionState, broker: BrokerId): PartitionState | undefined {
  const counts = state.isr.includes(broker) || state.elr.includes(broker);
  if (counts || state.leader === broker) return undefined;
  return { ...state, partitionEpoch: state.partitionEpoch + 1 };
}

/** The leader's own change of its ISR; nothing if it no longer leads in that epoch. */
export function changeIsr(
  state: PartitionState,
  leader: BrokerId,
  leaderEpoch: number,
  add: readonly BrokerId[],
  drop: readonly BrokerId[],
  minInSyncReplicas: number,
): PartitionState | undefined {
  if (state.leader !== leader || state.leaderEpoch !== leaderEpoch) return undefined;
  assert(!drop.includes(leader), "C5: a leader stays in its own ISR");
  let next = leaveIsr(state, (id) => drop.includes(id), minInSyncReplicas);
  const joined = add.filter((id) => !next.isr.includes(id));
  if (joined.length > 0) {
    const isr = [...next.isr, ...joined];
    const elr =
      isr.length >= minInSyncReplicas ? [] : next.elr.filter((id) => !joined.includes(id));
    next = { ...next, isr, elr };
  }
  // Also without a member's coming or going: the topic's minimum may have been lowered.
  if (next.isr.length >= minInSyncReplicas && next.elr.length > 0) next = { ...next, elr: [] };
  return changed(state, next);
}

/** Whether a replica is on its way out and no longer needed: its successors are in sync, so it does not come back. */
export function isDismissed(
  state: PartitionState,
  { adding = [], removing = [] }: PartitionPlacement,
  id: BrokerId,
): boolean {
  return removing.includes(id) && adding.every((one) => state.isr.includes(one));
}

/** Completes a move: those being removed leave the ISR and do not lead, once all `adding` replicas and enough in all are in sync. */
export function completeMove(
  state: PartitionState,
  placement: PartitionPlacement,
  rules: ElectionRules,
): PartitionState | undefined {
  const removing = placement.removing ?? [];
  const adding = placement.adding ?? [];
  const leftover = state.isr.filter((id) => !placement.replicas.includes(id));
  const gone = new Set([...removing, ...leftover]);
  if (gone.size === 0 || !adding.every((id) => state.isr.includes(id))) return undefined;
  const staying = state.isr.filter((id) => !gone.has(id));
  if (staying.length === 0) return undefined;
  // Those that go count until enough of the others do: as many volumes may be lost as the minimum says.
  const targets = placement.replicas.filter((id) => !removing.includes(id)).length;
  const enough = Math.min(rules.minInSyncReplicas, targets);
  if (staying.length < enough && staying.length < state.isr.length) return undefined;
  let next = state;
  if (gone.has(next.leader) || next.leader === NO_LEADER) {
    const successor = placement.replicas.find((id) => staying.includes(id) && rules.eligible(id));
    if (successor === undefined) return undefined;
    next = withLeader(next, successor);
  }
  next = {
    ...next,
    isr: staying,
    elr: staying.length >= rules.minInSyncReplicas ? [] : next.elr.filter((id) => !gone.has(id)),
  };
  return changed(state, next);
}

/** Brokers leave the ISR one after the other; one that leaves at or under the minimum becomes eligible (ELR). */
function leaveIsr(
  state: PartitionState,
  leaves: (id: BrokerId) => boolean,
  minInSyncReplicas: number,
): PartitionState {
  let isr = state.isr;
  let elr = state.elr;
  // The leader goes last, so that the last member standing is the one with the most.
  const leaving = isr
    .filter(leaves)
    .sort((a, b) => Number(a === state.leader) - Number(b === state.leader));
  for (const id of leaving) {
    if (isr.length === 1) break; // C5
    if (isr.length <= minInSyncReplicas && !elr.includes(id)) elr = [...elr, id];
    isr = isr.filter((member) => member !== id);
  }
  return isr === state.isr ? state : { ...state, isr, elr };
}

function withLeader(state: PartitionState, leader: BrokerId): PartitionState {
  if (state.leader === leader && leader === NO_LEADER) return state;
  return { ...state, leader, leaderEpoch: state.leaderEpoch + 1 };
}

/** `next` with its partition epoch, or nothing if it says the same as `state`. */
function changed(state: PartitionState, next: PartitionState): PartitionState | undefined {
  if (next === state) return undefined;
  const same =
    next.leader === state.leader &&
    next.leaderEpoch === state.leaderEpoch &&
    sameMembers(next.isr, state.isr) &&
    sameMembers(next.elr, state.elr);
  return same ? undefined : { ...next, partitionEpoch: state.partitionEpoch + 1 };
}

function sameMembers(a: readonly BrokerId[], b: readonly BrokerId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
