import type { Millis } from "../../../lib/units.ts";
import type { Moment, Pending } from "../outcome.ts";
import type { GroupProtocol, JoinAnswer, JoinEvent, SyncAnswer } from "./classic-messages.ts";
import type { RecordedMember } from "./group-metadata.ts";

const NO_BYTES = new Uint8Array(0);

/** A member of a classic group as its coordinator holds it; only a part of it is recorded (RecordedMember). */
export interface GroupMember {
  memberId: string;
  readonly groupInstanceId: string | null;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: Millis;
  sessionTimeoutMs: Millis;
  /** In order of preference. After a failover only the selected one is known. */
  protocols: readonly GroupProtocol[];
  assignment: Uint8Array;
  /** When it counts as gone unless it speaks before; of no effect while `join` waits, but for a new member. */
  deadline: Millis;
  /** Has never been answered a JoinGroup: it cannot heartbeat yet. */
  isNew: boolean;
  /** Its JoinGroup that waits for the round to end. */
  join: Pending<JoinAnswer> | undefined;
  /** Its SyncGroup that waits for the leader's. */
  sync: Pending<SyncAnswer> | undefined;
}

/** A member as it asks to join; nobody has answered it. */
export function memberOf(memberId: string, event: JoinEvent): GroupMember {
  return {
    memberId,
    groupInstanceId: event.groupInstanceId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    sessionTimeoutMs: event.sessionTimeoutMs,
    protocols: event.protocols,
    assignment: NO_BYTES,
    deadline: Infinity,
    isNew: true,
    join: undefined,
    sync: undefined,
  };
}

/** A member as it was recorded in a generation of `protocol`; its session begins now. */
export function memberFrom(recorded: RecordedMember, protocol: string, at: Moment): GroupMember {
  return {
    memberId: recorded.memberId,
    groupInstanceId: recorded.groupInstanceId,
    clientId: recorded.clientId,
    clientHost: recorded.clientHost,
    rebalanceTimeoutMs: recorded.rebalanceTimeoutMs,
    sessionTimeoutMs: recorded.sessionTimeoutMs,
    protocols: [{ name: protocol, metadata: recorded.subscription }],
    assignment: recorded.assignment,
    deadline: at.now + recorded.sessionTimeoutMs,
    isNew: false,
    join: undefined,
    sync: undefined,
  };
}

export function metadataFor(member: GroupMember, protocol: string): Uint8Array {
  return member.protocols.find((each) => each.name === protocol)?.metadata ?? new Uint8Array(0);
}

/** Whether the member asks for the same protocols, in the same order with the same metadata. */
export function sameProtocols(member: GroupMember, protocols: readonly GroupProtocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every((own, at) => {
      const other = protocols[at];
      return (
        other !== undefined && own.name === other.name && sameBytes(own.metadata, other.metadata)
      );
    })
  );
}

/** The protocol that all members can speak with the most votes, each for the first it prefers of those; the first on a tie. */
export function selectProtocol(members: Iterable<GroupMember>): string | undefined {
  const all = [...members];
  const common = commonProtocols(all);
  const votes = new Map<string, number>();
  for (const member of all) {
    const choice = member.protocols.find((each) => common.has(each.name));
    if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
  }
  let best: string | undefined;
  for (const [name, count] of votes) {
    if (best === undefined || count > (votes.get(best) ?? 0)) best = name;
  }
  return best;
}

/** Names that every member can speak. */
export function commonProtocols(members: readonly GroupMember[]): ReadonlySet<string> {
  const [first, ...rest] = members;
  if (first === undefined) return new Set();
  const common = new Set(first.protocols.map((each) => each.name));
  for (const member of rest) {
    for (const name of common) {
      if (!member.protocols.some((each) => each.name === name)) common.delete(name);
    }
  }
  return common;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
