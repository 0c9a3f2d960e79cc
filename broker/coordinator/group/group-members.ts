import type { Millis } from "../../../lib/units.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import type { GroupProtocol, MemberIdentity } from "./classic-messages.ts";
import { commonProtocols, type GroupMember } from "./group-member.ts";

/**
 * The members of a classic group in the order in which they came, its static ones also by instance id (KIP-345), and the
 * ids that were given and have not been used yet (KIP-394). (core)
 */
export class GroupMembers {
  /** Ids given by MEMBER_ID_REQUIRED, with the time by which they must be used. */
  readonly pending = new Map<string, Millis>();
  readonly #byId = new Map<string, GroupMember>();
  readonly #static = new Map<string, string>();

  get byId(): ReadonlyMap<string, GroupMember> {
    return this.#byId;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** A list of its own: members may be removed while it is walked. */
  list(): GroupMember[] {
    return [...this.#byId.values()];
  }

  get(memberId: string | null | undefined): GroupMember | undefined {
    return memberId === null || memberId === undefined ? undefined : this.#byId.get(memberId);
  }

  /** The member id of a static member. */
  staticId(groupInstanceId: string | null): string | undefined {
    return groupInstanceId === null ? undefined : this.#static.get(groupInstanceId);
  }

  /** Puts the member at the end, also if it is there already. */
  insert(member: GroupMember): void {
    this.#byId.delete(member.memberId);
    this.#byId.set(member.memberId, member);
    if (member.groupInstanceId !== null) this.#static.set(member.groupInstanceId, member.memberId);
  }

  remove(member: GroupMember): void {
    this.#byId.delete(member.memberId);
    const { groupInstanceId } = member;
    if (groupInstanceId === null) return;
    // Another may have taken its place under the same instance id.
    if (this.#static.get(groupInstanceId) === member.memberId) this.#static.delete(groupInstanceId);
  }

  /** NONE if the identity is that of a present member. */
  fault(identity: MemberIdentity): number {
    if (identity.groupInstanceId !== null) {
      const current = this.#static.get(identity.groupInstanceId);
      if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (current !== identity.memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.#byId.has(identity.memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  /** Whether one with this identity is counted already, or `maxSize` leaves room for it. */
  hasRoomFor({ memberId, groupInstanceId }: MemberIdentity, maxSize: number): boolean {
    if (this.#byId.has(memberId) || this.pending.has(memberId)) return true;
    if (this.staticId(groupInstanceId) !== undefined) return true;
    return this.#byId.size + this.pending.size < maxSize;
  }

  /** Whether one of the protocols is spoken by all members other than `self`, which may not be one yet. */
  share(protocols: readonly GroupProtocol[], self: GroupMember | undefined): boolean {
    const others = this.list().filter((member) => member !== self);
    if (others.length === 0) return true;
    const common = commonProtocols(others);
    return protocols.some((each) => common.has(each.name));
  }

  /** The longest that a member asks for. */
  rebalanceTimeoutMs(): Millis {
    let longest = 0;
    for (const member of this.#byId.values()) {
      longest = Math.max(longest, member.rebalanceTimeoutMs);
    }
    return longest;
  }
}
