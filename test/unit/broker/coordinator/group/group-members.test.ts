import assert from "node:assert/strict";
import type { GroupMember } from "../../../../../broker/coordinator/group/group-member.ts";
import { GroupMembers } from "../../../../../broker/coordinator/group/group-members.ts";
import { ErrorCode } from "../../../../../broker/protocol/error-codes.ts";

const member = (
  memberId: string,
  groupInstanceId: string | null = null,
  protocols: readonly string[] = ["range"],
): GroupMember => ({
  memberId,
  groupInstanceId,
  clientId: "c",
  clientHost: "h",
  rebalanceTimeoutMs: memberId.length * 1000,
  sessionTimeoutMs: 1000,
  protocols: protocols.map((name) => ({ name, metadata: new Uint8Array(0) })),
  assignment: new Uint8Array(0),
  deadline: Infinity,
  isNew: false,
  join: undefined,
  sync: undefined,
});
const spoken = (...names: readonly string[]) =>
  names.map((name) => ({ name, metadata: new Uint8Array(0) }));

describe("GroupMembers", () => {
  it("finds the fault of an identity", () => {
    const members = new GroupMembers();
    members.insert(member("a"));
    members.insert(member("s2", "instance"));
    const cases: [string, string | null, number][] = [
      ["a", null, ErrorCode.NONE],
      ["b", null, ErrorCode.UNKNOWN_MEMBER_ID],
      ["s2", "instance", ErrorCode.NONE],
      ["s1", "instance", ErrorCode.FENCED_INSTANCE_ID],
      ["s2", "other", ErrorCode.UNKNOWN_MEMBER_ID],
    ];
    for (const [memberId, groupInstanceId, code] of cases) {
      assert.equal(members.fault({ memberId, groupInstanceId }), code, memberId);
    }
  });

  it("keeps the successor of a static member when the one before is removed after it came", () => {
    const members = new GroupMembers();
    const before = member("s1", "instance");
    members.insert(before);
    members.insert(member("s2", "instance"));
    members.remove(before);
    assert.equal(members.staticId("instance"), "s2");
    assert.deepEqual([...members.byId.keys()], ["s2"]);
  });

  it("puts one that is inserted again at the end", () => {
    const members = new GroupMembers();
    const [a, b] = [member("a"), member("b")];
    for (const each of [a, b, a]) members.insert(each);
    assert.deepEqual([...members.byId.keys()], ["b", "a"]);
  });

  it("counts ids on the way against the size, but nobody twice", () => {
    const members = new GroupMembers();
    members.insert(member("s", "instance"));
    members.pending.set("p", 0);
    const room = (memberId: string, groupInstanceId: string | null): boolean =>
      members.hasRoomFor({ memberId, groupInstanceId }, 2);
    assert.equal(room("", null), false);
    assert.equal(room("p", null), true);
    assert.equal(room("s", null), true);
    assert.equal(room("", "instance"), true);
    assert.equal(members.hasRoomFor({ memberId: "", groupInstanceId: null }, 3), true);
  });

  it("looks for protocols that all but the asker's former self speak", () => {
    const members = new GroupMembers();
    const self = member("a", null, ["sticky"]);
    assert.equal(members.share(spoken("anything"), undefined), true);
    for (const each of [self, member("b", null, ["range", "rr"])]) members.insert(each);
    assert.equal(members.share(spoken("rr"), self), true);
    assert.equal(members.share(spoken("rr"), undefined), false, "a speaks sticky only");
  });

  it("waits as long as the most patient member asks", () => {
    const members = new GroupMembers();
    assert.equal(members.rebalanceTimeoutMs(), 0);
    for (const id of ["aa", "aaaa", "a"]) members.insert(member(id));
    assert.equal(members.rebalanceTimeoutMs(), 4000);
  });
});
