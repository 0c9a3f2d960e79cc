import assert from "node:assert/strict";
import fc from "fast-check";
import {
  changeIsr,
  completeMove,
  depart,
  drain,
  type ElectionRules,
  initialState,
  preferLeader,
  restart,
  settle,
} from "../../../cluster/partition-change.ts";
import { NO_LEADER, type PartitionState } from "../../../cluster/partition-slice.ts";
import { runs } from "../../support/runs.ts";

const REPLICAS = [0, 1, 2, 3];

/** One thing that can happen to the partition. `alive` is a bit set of brokers with a session. */
type Step =
  | { readonly kind: "settle"; readonly alive: number }
  | { readonly kind: "drain"; readonly alive: number; readonly broker: number }
  | { readonly kind: "prefer"; readonly alive: number }
  | { readonly kind: "restart"; readonly broker: number; readonly lost: boolean }
  | { readonly kind: "depart"; readonly broker: number }
  | { readonly kind: "isr"; readonly add: number; readonly drop: number };

const bits = fc.integer({ min: 0, max: 15 });
const broker = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("settle" as const), alive: bits }),
  fc.record({ kind: fc.constant("drain" as const), alive: bits, broker }),
  fc.record({ kind: fc.constant("prefer" as const), alive: bits }),
  fc.record({ kind: fc.constant("restart" as const), broker, lost: fc.boolean() }),
  fc.record({ kind: fc.constant("depart" as const), broker }),
  fc.record({ kind: fc.constant("isr" as const), add: bits, drop: bits }),
);

function rulesFor(alive: number, minInSyncReplicas: number, unclean = false): ElectionRules {
  const has = (id: number): boolean => (alive & (1 << id)) !== 0;
  return { alive: has, eligible: has, minInSyncReplicas, unclean };
}

function members(set: number): number[] {
  return REPLICAS.filter((id) => (set & (1 << id)) !== 0);
}

function apply(state: PartitionState, one: Step, min: number): PartitionState | undefined {
  const placement = { replicas: REPLICAS };
  switch (one.kind) {
    case "settle":
      return settle(state, placement, rulesFor(one.alive, min));
    case "drain":
      return drain(state, placement, one.broker, rulesFor(one.alive, min));
    case "prefer":
      return preferLeader(state, placement, rulesFor(one.alive, min));
    case "restart":
      return restart(state, placement, one.broker, one.lost);
    case "depart":
      return depart(state, one.broker);
    case "isr":
      if (state.leader === NO_LEADER) return undefined;
      return changeIsr(
        state,
        state.leader,
        state.leaderEpoch,
        members(one.add),
        members(one.drop).filter((id) => id !== state.leader && state.isr.includes(id)),
        min,
      );
  }
}

describe("partition changes", () => {
  it("keep every invariant of the record, whatever happens in whatever order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 40, size: "max" }),
        (min, history) => {
          let state = initialState({ replicas: REPLICAS }, rulesFor(15, min));
          assert(state);
          for (const one of history) {
            const before: PartitionState = state;
            const next = apply(before, one, min);
            if (next === undefined) continue;
            assert.equal(next.partitionEpoch, before.partitionEpoch + 1, "C1");
            assert(next.leaderEpoch >= before.leaderEpoch, "C2");
            if (next.leader !== before.leader) assert(next.leaderEpoch > before.leaderEpoch, "C2");
            if (next.leader !== NO_LEADER)
              assert(next.isr.includes(next.leader), "a leader is in its ISR");
            if (next.leaderEpoch > before.leaderEpoch && next.leader !== NO_LEADER) {
              assert([...before.isr, ...before.elr].includes(next.leader), "C4");
            }
            if (!(one.kind === "restart" && one.lost)) {
              assert(next.isr.length > 0 || before.isr.length === 0, "C5");
            } else {
              assert(!next.isr.includes(one.broker) && !next.elr.includes(one.broker), "C6");
            }
            assert.equal(
              new Set([...next.isr, ...next.elr]).size,
              next.isr.length + next.elr.length,
            );
            if (next.isr.length >= min && one.kind === "isr") assert.deepEqual(next.elr, []);
            state = next;
          }
        },
      ),
      runs(2000),
    );
  });

  /**
   * R3 with KIP-966: a model in which every member of the ISR holds all that was committed, and something is committed
   * whenever the ISR is large enough and nobody is in the ELR. No election may pick a replica that lacks any of it.
   */
  it("never elect a replica that lacks a committed record", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 60, size: "max" }),
        (min, history) => {
          let state = initialState({ replicas: REPLICAS }, rulesFor(15, min));
          assert(state);
          let committed = 0;
          const has = new Map(REPLICAS.map((id) => [id, 0]));
          for (const one of history) {
            const next = apply(state, one, min);
            if (next !== undefined) {
              if (one.kind === "restart" && one.lost) has.set(one.broker, -1);
              // Its log is deleted then.
              if (one.kind === "depart") has.set(one.broker, -1);
              if (next.leader !== NO_LEADER && next.leader !== state.leader) {
                assert.equal(
                  has.get(next.leader),
                  committed,
                  `C4: ${JSON.stringify({ one, state, next })}`,
                );
              }
              // A follower comes in only with everything that the leader has committed.
              for (const id of next.isr) if (!state.isr.includes(id)) has.set(id, committed);
              state = next;
            }
            if (state.leader !== NO_LEADER && state.isr.length >= min && state.elr.length === 0) {
              committed++;
              for (const id of state.isr) has.set(id, committed);
            }
          }
        },
      ),
      runs(3000),
    );
  });

  it("bump the partition epoch of every partition of a broker that lost its volume (C6)", () => {
    const state = { leader: 1, leaderEpoch: 4, isr: [1, 2], elr: [], partitionEpoch: 9 };
    const next = restart(state, { replicas: [0, 1, 2] }, 0, true);
    assert.deepEqual(next, { ...state, partitionEpoch: 10 });
  });

  it("bump the partition epoch for a replica that deletes its log, which counts for nobody (C7, C9)", () => {
    const state = { leader: 1, leaderEpoch: 4, isr: [1], elr: [2], partitionEpoch: 9 };
    assert.deepEqual(depart(state, 0), { ...state, partitionEpoch: 10 });
    assert.equal(depart(state, 1), undefined);
    assert.equal(depart(state, 2), undefined);
    assert.equal(depart({ ...state, leader: 0 }, 0), undefined);
  });

  it("leave a partition offline when its only in-sync replica lost its volume (C5)", () => {
    const state = { leader: 1, leaderEpoch: 4, isr: [1], elr: [], partitionEpoch: 9 };
    const lost = restart(state, { replicas: [0, 1, 2] }, 1, true);
    assert(lost);
    assert.deepEqual(lost.isr, []);
    assert.equal(settle(lost, { replicas: [0, 1, 2] }, rulesFor(15, 2)), undefined);
    const unclean = settle(lost, { replicas: [0, 1, 2] }, rulesFor(15, 2, true));
    assert.equal(unclean?.leader, 0);
  });

  it("complete a move only when all new replicas are in sync", () => {
    const placement = { replicas: [3, 1, 0], adding: [3], removing: [0] };
    const state = { leader: 0, leaderEpoch: 2, isr: [0, 1], elr: [], partitionEpoch: 5 };
    assert.equal(completeMove(state, placement, rulesFor(15, 2)), undefined);
    const done = completeMove({ ...state, isr: [0, 1, 3] }, placement, rulesFor(15, 2));
    assert.deepEqual(done, { leader: 3, leaderEpoch: 3, isr: [1, 3], elr: [], partitionEpoch: 6 });
  });
});
