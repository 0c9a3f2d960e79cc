import assert from "node:assert/strict";
import fc from "fast-check";
import { LeaderReplica } from "../../../../broker/replication/leader-replica.ts";
import { runs } from "../../../support/runs.ts";

type Event =
  | { readonly kind: "append"; readonly count: number }
  | { readonly kind: "stable"; readonly lag: number }
  | {
      readonly kind: "fetch";
      readonly from: number;
      readonly behind: number;
      readonly epoch: number;
    }
  | { readonly kind: "propose"; readonly after: number }
  | { readonly kind: "settle"; readonly accepted: boolean }
  | { readonly kind: "dropped"; readonly who: number };

const follower = fc.constantFrom(1, 2);
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("stable" as const), lag: fc.integer({ min: 0, max: 4 }) }),
  fc.record({
    kind: fc.constant("fetch" as const),
    from: follower,
    behind: fc.integer({ min: 0, max: 6 }),
    epoch: fc.constantFrom(1, 1, 1, 2),
  }),
  fc.record({ kind: fc.constant("propose" as const), after: fc.constantFrom(0, 10, 200) }),
  fc.record({ kind: fc.constant("settle" as const), accepted: fc.boolean() }),
  fc.record({ kind: fc.constant("dropped" as const), who: follower }),
);

describe("leader replica", () => {
  it("keeps R1, R2 and R3 through every history", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(event, { maxLength: 60, size: "max" }),
        (min, history) => {
          let now = 0;
          let end = 0;
          let stable = 0;
          const fetched = new Map<number, { offset: number; epoch: number }>();
          let state = {
            leader: 0,
            leaderEpoch: 1,
            isr: [0, 1, 2],
            elr: [] as number[],
            partitionEpoch: 0,
          };
          let inFlight: { add: readonly number[]; drop: readonly number[] } | undefined;
          const leader = new LeaderReplica({
            self: 0,
            state,
            replicas: [0, 1, 2],
            minInSyncReplicas: min,
            highWatermark: 0,
            stableOffset: 0,
            epochStartOffset: 0,
            now,
          });
          for (const one of history) {
            now += 1;
            const before = leader.highWatermark;
            const committedIsr = state.isr;
            switch (one.kind) {
              case "append":
                end += one.count;
                break;
              case "stable":
                stable = Math.max(stable, end - one.lag);
                leader.onStable(stable);
                break;
              case "fetch": {
                const known = fetched.get(one.from);
                const offset = Math.max(
                  0,
                  end - one.behind,
                  known?.epoch === one.epoch ? known.offset : 0,
                );
                if (one.epoch >= (known?.epoch ?? -1))
                  fetched.set(one.from, { offset, epoch: one.epoch });
                leader.onFollowerFetch(one.from, one.epoch, offset, end, now);
                break;
              }
              case "propose":
                now += one.after;
                inFlight = leader.propose(now, 100, () => true) ?? inFlight;
                break;
              case "settle":
                if (inFlight === undefined) break;
                if (one.accepted) {
                  const { add, drop } = inFlight;
                  const isr = [
                    ...state.isr.filter((id) => !drop.includes(id)),
                    ...add.filter((id) => !state.isr.includes(id)),
                  ];
                  state = { ...state, isr, partitionEpoch: state.partitionEpoch + 1 };
                  leader.onState(state, [0, 1, 2], min, now);
                }
                inFlight = undefined;
                leader.onProposalSettled();
                break;
              case "dropped":
                if (inFlight !== undefined || !state.isr.includes(one.who)) break;
                state = {
                  ...state,
                  isr: state.isr.filter((id) => id !== one.who),
                  partitionEpoch: state.partitionEpoch + 1,
                };
                leader.onState(state, [0, 1, 2], min, now);
                break;
            }
            assert(leader.highWatermark >= before, "R1: never backwards");
            assert(leader.highWatermark <= end, "R1: never beyond the log end");
            if (leader.highWatermark > before) {
              assert(state.isr.length >= min, "R3");
              const maximal = new Set([...state.isr, ...(inFlight?.add ?? [])]);
              // A change in flight that drops a member does not free the leader of it (KIP-497).
              if (one.kind !== "settle" && one.kind !== "dropped") {
                for (const id of committedIsr) maximal.add(id);
              }
              for (const id of maximal) {
                const offset = id === 0 ? stable : (fetched.get(id)?.offset ?? -1);
                assert(offset >= leader.highWatermark, `R2: replica ${id} has only ${offset}`);
              }
            }
          }
        },
      ),
      runs(3000),
    );
  });

  it("forgets what a former process of a follower had fetched", () => {
    const leader = new LeaderReplica({
      self: 0,
      state: { leader: 0, leaderEpoch: 1, isr: [0, 1], elr: [], partitionEpoch: 0 },
      replicas: [0, 1],
      minInSyncReplicas: 2,
      highWatermark: 0,
      stableOffset: 0,
      epochStartOffset: 0,
      now: 0,
    });
    leader.onFollowerFetch(1, 5, 0, 10, 1);
    leader.onStable(10);
    assert.equal(leader.highWatermark, 0);
    leader.onFollowerFetch(1, 6, 0, 10, 2);
    leader.onFollowerFetch(1, 5, 10, 10, 3);
    assert.equal(leader.highWatermark, 0, "a fetch of an old broker epoch counts for nothing");
    leader.onFollowerFetch(1, 6, 10, 10, 4);
    assert.equal(leader.highWatermark, 10);
  });
});
