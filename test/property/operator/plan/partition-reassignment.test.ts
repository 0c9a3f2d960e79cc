import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Assignments,
  chosenReplicas,
  reassignmentOf,
} from "../../../../cluster/assignments.ts";
import type { BrokerId } from "../../../../cluster/broker.ts";
import { changeIsr, completeMove, initialState } from "../../../../cluster/partition-change.ts";
import type { PartitionPlacement, PartitionState } from "../../../../cluster/partition-slice.ts";
import { placePartitions } from "../../../../cluster/replica-placement.ts";
import { planReassignment } from "../../../../operator/plan/partition-reassignment.ts";
import { runs } from "../../../support/runs.ts";

const rules = { eligible: () => true, alive: () => true, minInSyncReplicas: 2, unclean: false };

/** A topic whose brokers do their part of a move whenever they are asked. */
class World {
  placements: PartitionPlacement[];
  readonly states: PartitionState[];

  constructor(partitions: number, replicas: number, brokers: number) {
    this.placements = placePartitions({
      partitions,
      replicas,
      brokers: Array.from({ length: brokers }, (_, id) => ({ id })),
    }).map((list) => ({ replicas: list }));
    this.states = this.placements.map((placement) => {
      const state = initialState(placement, rules);
      assert.ok(state !== undefined);
      return state;
    });
  }

  /** The operator's turn. @returns partitions on the move */
  plan(
    brokers: number,
    replicas: number,
    spread: boolean,
    maxMoving: number,
    assignments: Assignments = [],
  ): number {
    const { placements, states } = this;
    const chosen = placements.map((_, at) => chosenReplicas(assignments, at, brokers));
    const { changes, moving } = planReassignment({
      topics: [{ id: "t", replicas, placements, states, chosen }],
      brokers: Array.from({ length: brokers }, (_, id) => ({ id })),
      spread,
      maxMoving,
    });
    this.placements = [...(changes.get("t") ?? this.placements)];
    return moving;
  }

  /** The brokers' turn in one partition: those being added come in, then those being removed leave. */
  move(at: number): void {
    const placement = this.placements[at];
    const state = this.states[at];
    if (placement === undefined || state === undefined) return;
    const adding = (placement.adding ?? []).filter((id) => !state.isr.includes(id));
    const next =
      adding.length > 0
        ? changeIsr(state, state.leader, state.leaderEpoch, adding, [], 2)
        : completeMove(state, placement, rules);
    if (next !== undefined) this.states[at] = next;
  }

  isMoving(at: number): boolean {
    return (this.placements[at]?.adding ?? this.placements[at]?.removing) !== undefined;
  }
}

const wish = fc.record({
  brokers: fc.integer({ min: 3, max: 6 }),
  replicas: fc.integer({ min: 1, max: 3 }),
});

describe("reassignment of partitions", () => {
  it("comes to an end where nothing moves, whatever was wished for in between, in bounded steps", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(wish, fc.array(fc.nat(11), { maxLength: 20 })), {
          minLength: 1,
          maxLength: 6,
          size: "max",
        }),
        (partitions, wishes) => {
          const world = new World(partitions, 3, 3);
          const maxMoving = 2;
          for (const [{ brokers, replicas }, steps] of wishes) {
            for (const at of steps) {
              const moving = world.plan(brokers, replicas, true, maxMoving);
              assert.ok(moving <= maxMoving, "moves are bounded");
              world.move(at % partitions);
            }
          }
          const last = wishes[wishes.length - 1]?.[0] ?? { brokers: 3, replicas: 3 };
          for (let round = 0; round < 20 * partitions; round++) {
            world.plan(last.brokers, last.replicas, true, maxMoving);
            for (let at = 0; at < partitions; at++) world.move(at);
          }
          world.plan(last.brokers, last.replicas, true, maxMoving);
          for (const [at, { replicas }] of world.placements.entries()) {
            assert.ok(!world.isMoving(at), "nothing moves any more");
            assert.equal(replicas.length, last.replicas);
            assert.ok(replicas.every((id) => id < last.brokers));
            const isr = world.states[at]?.isr ?? [];
            assert.deepEqual([...isr].sort(), [...replicas].sort());
          }
        },
      ),
      runs(),
    );
  });

  it("ends where somebody has chosen, and elsewhere but for brokers that are to go", () => {
    const choice = fc.uniqueArray(fc.nat(5), { maxLength: 3, size: "max" });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(
          fc.tuple(wish, fc.array(choice, { maxLength: 8, size: "max" }), fc.array(fc.nat(7))),
          { minLength: 1, maxLength: 5, size: "max" },
        ),
        (partitions, wishes) => {
          const world = new World(partitions, 3, 3);
          for (const [{ brokers, replicas }, assignments, steps] of wishes) {
            for (const at of steps) {
              world.plan(brokers, replicas, true, 2, assignments);
              world.move(at % partitions);
            }
          }
          const [{ brokers, replicas }, assignments] = wishes.at(-1) ?? assert.fail();
          for (let round = 0; round < 20 * partitions; round++) {
            world.plan(brokers, replicas, true, 2, assignments);
            for (let at = 0; at < partitions; at++) world.move(at);
          }
          world.plan(brokers, replicas, true, 2, assignments);
          for (const [at, placement] of world.placements.entries()) {
            assert.equal(reassignmentOf(placement, undefined), undefined, "nothing moves any more");
            const chosen = chosenReplicas(assignments, at, brokers);
            if (chosen !== undefined) assert.deepEqual(placement.replicas, chosen);
            else {
              assert.equal(placement.replicas.length, replicas);
              assert.ok(placement.replicas.every((id) => id < brokers));
            }
          }
        },
      ),
      runs(),
    );
  });

  it("takes no replica off a partition before its successors are in sync", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.tuple(wish, fc.nat(11)), { minLength: 1, maxLength: 40, size: "max" }),
        (partitions, history) => {
          const world = new World(partitions, 3, 3);
          for (const [{ brokers }, at] of history) {
            world.plan(brokers, 3, true, 4);
            for (const [which, { replicas }] of world.placements.entries()) {
              const isr: readonly BrokerId[] = world.states[which]?.isr ?? [];
              assert.ok(
                isr.every((id) => replicas.includes(id)),
                "what is in sync is placed",
              );
              assert.ok(isr.length >= 3, "as many in sync as before the move");
            }
            world.move(at % partitions);
          }
        },
      ),
      runs(),
    );
  });
});
