import assert from "node:assert/strict";
import fc from "fast-check";
import { electionStep, isSettled } from "../../../../broker/controller/elections.ts";
import { NO_LEADER } from "../../../../cluster/partition-slice.ts";
import { runs } from "../../../support/runs.ts";

const members = fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });

describe("elections", () => {
  it("have nothing to change in a settled partition while no broker is draining", () => {
    let settled = 0;
    fc.assert(
      fc.property(
        fc.record({
          leader: fc.integer({ min: NO_LEADER, max: 4 }),
          isr: members,
          elr: fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 2 }),
          replicas: members,
          adding: fc.option(members, { nil: undefined }),
          removing: fc.option(members, { nil: undefined }),
          alive: fc.subarray([0, 1, 2, 3, 4]),
          minInSyncReplicas: fc.integer({ min: 1, max: 3 }),
        }),
        ({ leader, isr, elr, replicas, adding, removing, alive, minInSyncReplicas }) => {
          const has = (id: number): boolean => alive.includes(id);
          const placement = {
            replicas,
            ...(adding === undefined ? {} : { adding }),
            ...(removing === undefined ? {} : { removing }),
          };
          const state = { leader, leaderEpoch: 3, isr, elr, partitionEpoch: 7 };
          if (!isSettled(state, placement, has)) return;
          settled++;
          const rules = { alive: has, eligible: has, minInSyncReplicas, unclean: false };
          assert.equal(electionStep(rules, [])(state, placement), undefined);
        },
      ),
      runs(20_000),
    );
    assert.ok(settled > 0);
  });
});
