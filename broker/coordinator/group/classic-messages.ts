import type { Millis } from "../../../lib/units.ts";
import type { Pending } from "../outcome.ts";

/** A protocol (assignor) that a member can speak, with its metadata for it: the consumer's subscription. */
export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinEvent {
  /** "" when the member has none yet. */
  readonly memberId: string;
  /** The id to give if one must be given. */
  readonly newMemberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  readonly protocols: readonly GroupProtocol[];
  readonly rebalanceTimeoutMs: Millis;
  readonly sessionTimeoutMs: Millis;
  /** JoinGroup 4 and later (KIP-394): a new dynamic member is first sent back with its id. */
  readonly requireKnownMemberId: boolean;
  /** JoinGroup 9 and later (KIP-814). */
  readonly supportsSkipAssignment: boolean;
  readonly from: Pending<JoinAnswer>;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** Only for the leader. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Uint8Array;
  }[];
}

/** Which member speaks, in which generation. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface SyncEvent extends MemberIdentity {
  readonly generationId: number;
  /** null before SyncGroup 5. */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** From the leader only. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
  readonly from: Pending<SyncAnswer>;
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

export interface HeartbeatEvent extends MemberIdentity {
  readonly generationId: number;
  readonly from: Pending<{ readonly errorCode: number }>;
}

export interface LeaveAnswer {
  readonly members: readonly (MemberIdentity & { readonly errorCode: number })[];
}

export interface LeaveEvent {
  readonly members: readonly MemberIdentity[];
  readonly from: Pending<LeaveAnswer>;
}

const NO_BYTES = new Uint8Array(0);

export function joinRefused(errorCode: number, memberId: string): JoinAnswer {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function syncRefused(errorCode: number): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES };
}
