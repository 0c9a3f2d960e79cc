import { preferLeader, settle, type ElectionRules } from "../../cluster/partition-change.ts";
import {
  NO_LEADER,
  type PartitionPlacement,
  type PartitionState,
} from "../../cluster/partition-slice.ts";
import { ErrorCode } from "../protocol/error-codes.ts";

/** Kinds of election that a client may ask for (KIP-183, KIP-460). */
export const ElectionType = { PREFERRED: 0, UNCLEAN: 1 } as const;
export type ElectionType = (typeof ElectionType)[keyof typeof ElectionType];

/** What an election comes to: the state to be recorded, or the error code of its refusal. */
export type RequestedElection =
  | { readonly kind: "elected"; readonly state: PartitionState }
  | { readonly kind: "refused"; readonly errorCode: number };

/**
 * An election that somebody asked for, on the state that was read (pure). PREFERRED: the first replica leads again, if it is
 * in sync and may lead. UNCLEAN: a partition without a leader gets one, in sync or not, whatever its topic allows by
 * itself. Error codes: ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE.
 */
export function requestedElection(
  type: ElectionType,
  state: PartitionState,
  placement: PartitionPlacement,
  rules: ElectionRules,
): RequestedElection {
  switch (type) {
    case ElectionType.PREFERRED: {
      if (state.leader === placement.replicas[0]) return refused(ErrorCode.ELECTION_NOT_NEEDED);
      const next = preferLeader(state, placement, rules);
      return next === undefined
        ? refused(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
        : { kind: "elected", state: next };
    }
    case ElectionType.UNCLEAN: {
      if (state.leader !== NO_LEADER) return refused(ErrorCode.ELECTION_NOT_NEEDED);
      const next = settle(state, placement, { ...rules, unclean: true });
      return next === undefined || next.leader === NO_LEADER
        ? refused(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)
        : { kind: "elected", state: next };
    }
  }
}

function refused(errorCode: number): RequestedElection {
  return { kind: "refused", errorCode };
}
