import assert from "node:assert/strict";
import { ClassicGroup } from "../../../../../broker/coordinator/group/classic-group.ts";
import type {
  JoinAnswer,
  JoinEvent,
  LeaveAnswer,
  SyncAnswer,
} from "../../../../../broker/coordinator/group/classic-messages.ts";
import { DEFAULT_GROUP_CONFIG } from "../../../../../broker/coordinator/group/group-config.ts";
import type {
  GroupRecord,
  GroupState,
} from "../../../../../broker/coordinator/group/group-metadata.ts";
import type { Outcome } from "../../../../../broker/coordinator/outcome.ts";
import { ErrorCode } from "../../../../../broker/protocol/error-codes.ts";
import { Asked, moment, sendAll } from "../fakes.ts";

const config = { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 0, maxSize: 3 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Drives a group as the runtime does: append, replay, send. */
class Driver {
  now = 0;
  refuse: number | undefined;
  readonly records: GroupRecord[] = [];
  readonly group: ClassicGroup;
  constructor(settings = config) {
    this.group = new ClassicGroup("g", settings);
  }
  apply(outcome: Outcome<GroupRecord>): void {
    if (outcome.records.length > 0) {
      if (this.refuse !== undefined) {
        const next = outcome.refused?.(this.refuse, moment(this.now));
        if (next === undefined) for (const each of outcome.replies) each.refuse(this.refuse);
        else this.apply(next);
        return;
      }
      for (const record of outcome.records) {
        this.records.push(record);
        if (record.kind === "group" && record.value !== null)
          this.group.replay(record.value, moment(this.now));
        else this.group.die();
      }
      outcome.replayed?.(moment(this.now));
    }
    sendAll(outcome.replies);
  }
  join(
    memberId: string,
    more: Partial<JoinEvent> & { newMemberId?: string } = {},
  ): Asked<JoinAnswer> {
    const from = new Asked<JoinAnswer>();
    const event: JoinEvent = {
      memberId,
      newMemberId: "new",
      groupInstanceId: null,
      clientId: "c",
      clientHost: "/h",
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: bytes("r") }],
      rebalanceTimeoutMs: 60_000,
      sessionTimeoutMs: 10_000,
      requireKnownMemberId: false,
      supportsSkipAssignment: true,
      ...more,
      from,
    };
    this.apply(this.group.join(event, moment(this.now)));
    return from;
  }
  sync(
    memberId: string,
    generationId: number,
    assign: Record<string, string> = {},
    instance: string | null = null,
  ): Asked<SyncAnswer> {
    const from = new Asked<SyncAnswer>();
    const assignments = Object.entries(assign).map(([id, text]) => ({
      memberId: id,
      assignment: bytes(text),
    }));
    this.apply(
      this.group.sync(
        {
          memberId,
          groupInstanceId: instance,
          generationId,
          protocolType: null,
          protocolName: null,
          assignments,
          from,
        },
        moment(this.now),
      ),
    );
    return from;
  }
  heartbeat(
    memberId: string,
    generationId: number,
    instance: string | null = null,
  ): number | undefined {
    const from = new Asked<{ readonly errorCode: number }>();
    this.apply(
      this.group.heartbeat(
        { memberId, groupInstanceId: instance, generationId, from },
        moment(this.now),
      ),
    );
    return from.answered?.errorCode;
  }
  leave(memberId: string, instance: string | null = null): Asked<LeaveAnswer> {
    const from = new Asked<LeaveAnswer>();
    this.apply(
      this.group.leave(
        { members: [{ memberId, groupInstanceId: instance }], from },
        moment(this.now),
      ),
    );
    return from;
  }
  advance(by: number): void {
    const end = this.now + by;
    while (this.group.wakeAt <= end) {
      this.now = Math.max(this.now, this.group.wakeAt);
      this.apply(this.group.tick(moment(this.now)));
    }
    this.now = end;
  }
}

/** A group with member `a` (its leader) in the state asked for. */
const reach: Record<GroupState, () => Driver> = {
  Empty: () => {
    const driver = reach.Stable();
    driver.leave("a");
    return driver;
  },
  PreparingRebalance: () => {
    const driver = reach.Stable();
    driver.join("", { newMemberId: "b" });
    return driver;
  },
  CompletingRebalance: () => {
    const driver = new Driver();
    driver.join("", { newMemberId: "a" });
    return driver;
  },
  Stable: () => {
    const driver = reach.CompletingRebalance();
    driver.sync("a", 1, { a: "p0" });
    return driver;
  },
  Dead: () => {
    const driver = reach.Empty();
    driver.group.die();
    return driver;
  },
};

type Event =
  "join" | "sync" | "heartbeat" | "leave" | "commit" | "simpleCommit" | "unknown" | "oldGeneration";
const events: Record<Event, (driver: Driver) => number | undefined> = {
  join: (driver) => driver.join("a").answered?.errorCode,
  sync: (driver) => driver.sync("a", driver.group.generation, { a: "p0" }).answered?.errorCode,
  heartbeat: (driver) => driver.heartbeat("a", driver.group.generation),
  leave: (driver) => {
    const asked = driver.leave("a");
    return asked.refused ?? asked.answered?.members[0]?.errorCode;
  },
  commit: (driver) =>
    driver.group.checkCommit(
      { memberId: "a", groupInstanceId: null },
      driver.group.generation,
      moment(driver.now),
    ),
  simpleCommit: (driver) =>
    driver.group.checkCommit({ memberId: "", groupInstanceId: null }, -1, moment(driver.now)),
  unknown: (driver) => driver.heartbeat("stranger", driver.group.generation),
  oldGeneration: (driver) => driver.heartbeat("a", driver.group.generation - 1),
};

const {
  NONE,
  UNKNOWN_MEMBER_ID,
  REBALANCE_IN_PROGRESS,
  COORDINATOR_NOT_AVAILABLE,
  ILLEGAL_GENERATION,
} = ErrorCode;
const gone = COORDINATOR_NOT_AVAILABLE;
const table: Record<
  GroupState,
  Record<Event, readonly [code: number | undefined, next: GroupState]>
> = {
  Empty: {
    join: [UNKNOWN_MEMBER_ID, "Empty"],
    sync: [UNKNOWN_MEMBER_ID, "Empty"],
    heartbeat: [UNKNOWN_MEMBER_ID, "Empty"],
    leave: [UNKNOWN_MEMBER_ID, "Empty"],
    commit: [UNKNOWN_MEMBER_ID, "Empty"],
    simpleCommit: [NONE, "Empty"],
    unknown: [UNKNOWN_MEMBER_ID, "Empty"],
    oldGeneration: [UNKNOWN_MEMBER_ID, "Empty"],
  },
  PreparingRebalance: {
    join: [NONE, "CompletingRebalance"],
    sync: [REBALANCE_IN_PROGRESS, "PreparingRebalance"],
    heartbeat: [REBALANCE_IN_PROGRESS, "PreparingRebalance"],
    leave: [NONE, "CompletingRebalance"],
    commit: [NONE, "PreparingRebalance"],
    simpleCommit: [UNKNOWN_MEMBER_ID, "PreparingRebalance"],
    unknown: [UNKNOWN_MEMBER_ID, "PreparingRebalance"],
    oldGeneration: [ILLEGAL_GENERATION, "PreparingRebalance"],
  },
  CompletingRebalance: {
    join: [NONE, "CompletingRebalance"],
    sync: [NONE, "Stable"],
    heartbeat: [NONE, "CompletingRebalance"],
    leave: [NONE, "Empty"],
    commit: [REBALANCE_IN_PROGRESS, "CompletingRebalance"],
    simpleCommit: [UNKNOWN_MEMBER_ID, "CompletingRebalance"],
    unknown: [UNKNOWN_MEMBER_ID, "CompletingRebalance"],
    oldGeneration: [ILLEGAL_GENERATION, "CompletingRebalance"],
  },
  Stable: {
    join: [NONE, "CompletingRebalance"],
    sync: [NONE, "Stable"],
    heartbeat: [NONE, "Stable"],
    leave: [NONE, "Empty"],
    commit: [NONE, "Stable"],
    simpleCommit: [UNKNOWN_MEMBER_ID, "Stable"],
    unknown: [UNKNOWN_MEMBER_ID, "Stable"],
    oldGeneration: [ILLEGAL_GENERATION, "Stable"],
  },
  Dead: {
    join: [gone, "Dead"],
    sync: [gone, "Dead"],
    heartbeat: [gone, "Dead"],
    leave: [gone, "Dead"],
    commit: [gone, "Dead"],
    simpleCommit: [gone, "Dead"],
    unknown: [gone, "Dead"],
    oldGeneration: [gone, "Dead"],
  },
};

describe("ClassicGroup", () => {
  for (const [state, row] of Object.entries(table) as [GroupState, (typeof table)[GroupState]][]) {
    for (const [event, [code, next]] of Object.entries(row) as [Event, (typeof row)[Event]][]) {
      it(`answers ${event} in ${state} with ${String(code)} and is then ${next}`, () => {
        const driver = reach[state]();
        assert.equal(driver.group.state, state);
        assert.equal(events[event](driver), code);
        assert.equal(driver.group.state, next);
      });
    }
  }

  it("sends a new dynamic member back with its id first (KIP-394), and lets that id expire", () => {
    const driver = new Driver();
    const first = driver.join("", { newMemberId: "a", requireKnownMemberId: true });
    assert.equal(first.answered?.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
    assert.equal(first.answered.memberId, "a");
    assert.equal(driver.join("a", { requireKnownMemberId: true }).answered?.errorCode, NONE);
    driver.join("", { newMemberId: "b", requireKnownMemberId: true });
    driver.advance(10_000);
    assert.equal(driver.join("b").answered?.errorCode, UNKNOWN_MEMBER_ID);
  });

  it("waits the initial delay for more members, so that they share the first generation", () => {
    const driver = new Driver({ ...config, initialRebalanceDelayMs: 3_000 });
    const a = driver.join("", { newMemberId: "a" });
    driver.advance(2_000);
    const b = driver.join("", { newMemberId: "b" });
    driver.advance(2_000);
    assert.equal(driver.group.state, "PreparingRebalance");
    driver.advance(2_000);
    assert.equal(a.answered?.generationId, 1);
    assert.equal(b.answered?.generationId, 1);
    assert.deepEqual(
      a.answered.members.map((each) => each.memberId),
      ["a", "b"],
    );
    assert.equal(b.answered.members.length, 0);
  });

  it("removes a member whose session ends and tells the others to rejoin", () => {
    const driver = reach.PreparingRebalance();
    driver.join("a");
    assert.equal(driver.group.generation, 2);
    driver.sync("b", 2);
    driver.sync("a", 2, { a: "p0", b: "p1" });
    driver.advance(8_000);
    assert.equal(driver.heartbeat("a", 2), NONE);
    driver.advance(3_000);
    assert.equal(driver.heartbeat("a", 2), REBALANCE_IN_PROGRESS);
    assert.equal(driver.heartbeat("b", 2), UNKNOWN_MEMBER_ID);
  });

  it("ends a round at the rebalance timeout without the dynamic members that did not come", () => {
    const driver = reach.Stable();
    const b = driver.join("", { newMemberId: "b" });
    for (let i = 0; i < 12; i++) {
      driver.heartbeat("a", 1);
      driver.advance(5_000);
    }
    assert.equal(b.answered?.generationId, 2);
    assert.equal(b.answered.leader, "b");
    assert.equal(driver.heartbeat("a", 2), UNKNOWN_MEMBER_ID);
  });

  it("removes a member that joined and never asks for its assignment", () => {
    const driver = reach.PreparingRebalance();
    driver.join("a");
    driver.sync("a", 2, { a: "p0" });
    for (let i = 0; i < 13; i++) {
      driver.heartbeat("a", 2);
      driver.heartbeat("b", 2);
      driver.advance(5_000);
    }
    assert.equal(driver.group.members.has("b"), false);
  });

  it("chooses the protocol that all can speak with the most votes", () => {
    const driver = new Driver({ ...config, initialRebalanceDelayMs: 100 });
    const protocols = (...names: string[]): JoinEvent["protocols"] =>
      names.map((name) => ({ name, metadata: bytes(name) }));
    driver.join("", { newMemberId: "a", protocols: protocols("x", "range", "sticky") });
    driver.join("", { newMemberId: "b", protocols: protocols("sticky", "range") });
    const c = driver.join("", { newMemberId: "c", protocols: protocols("sticky", "range") });
    const d = driver.join("", { newMemberId: "d", protocols: protocols("y") });
    driver.advance(500);
    assert.equal(c.answered?.protocolName, "sticky");
    assert.equal(d.answered?.errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
    const other = reach.Stable().join("", { protocols: protocols("y") });
    assert.equal(other.answered?.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  });

  it("gives a static member that returns its assignment without a rebalance, and fences its old id", () => {
    const driver = new Driver();
    driver.join("", { newMemberId: "s1", groupInstanceId: "i" });
    driver.sync("s1", 1, { s1: "p0" }, "i");
    const back = driver.join("", { newMemberId: "s2", groupInstanceId: "i" });
    assert.equal(back.answered?.errorCode, NONE);
    assert.equal(back.answered.generationId, 1);
    assert.equal(back.answered.skipAssignment, true);
    assert.equal(back.answered.leader, "s2");
    assert.equal(driver.group.state, "Stable");
    assert.equal(driver.heartbeat("s1", 1, "i"), ErrorCode.FENCED_INSTANCE_ID);
    assert.deepEqual(driver.sync("s2", 1, {}, "i").answered?.assignment, bytes("p0"));
    const old = driver.join("", {
      newMemberId: "s3",
      groupInstanceId: "i",
      supportsSkipAssignment: false,
    });
    assert.equal(old.answered?.leader, "s2", "so that the returning leader does not assign again");
  });

  it("keeps a static member that does not rejoin in time until its session ends", () => {
    const driver = new Driver();
    driver.join("", { newMemberId: "s", groupInstanceId: "i", sessionTimeoutMs: 120_000 });
    driver.sync("s", 1, { s: "p0" }, "i");
    const b = driver.join("", { newMemberId: "b" });
    driver.advance(60_000);
    assert.equal(b.answered?.generationId, 2);
    assert.deepEqual(
      b.answered.members.map((each) => each.memberId),
      ["s", "b"],
    );
  });

  it("does not move when the leader's assignment is refused, and begins another round", () => {
    const driver = reach.PreparingRebalance();
    driver.join("a");
    const b = driver.sync("b", 2);
    driver.refuse = COORDINATOR_NOT_AVAILABLE;
    const a = driver.sync("a", 2, { a: "p0", b: "p1" });
    assert.equal(a.answered?.errorCode, COORDINATOR_NOT_AVAILABLE);
    assert.equal(b.answered?.errorCode, COORDINATOR_NOT_AVAILABLE);
    assert.equal(driver.group.state, "PreparingRebalance");
    assert.equal(driver.group.recorded?.generation, 1);
  });

  it("writes an emptied group again when the record was refused", () => {
    const driver = reach.Stable();
    driver.refuse = COORDINATOR_NOT_AVAILABLE;
    assert.equal(driver.leave("a").refused, COORDINATOR_NOT_AVAILABLE);
    assert.equal(driver.group.state, "PreparingRebalance");
    driver.refuse = undefined;
    driver.advance(1_000);
    assert.equal(driver.group.state, "Empty");
    assert.equal(driver.group.recorded?.generation, 2);
  });
});
