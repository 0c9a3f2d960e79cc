import assert from "node:assert/strict";
import {
  ElectionType,
  requestedElection,
} from "../../../../broker/controller/requested-election.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import type { PartitionState } from "../../../../cluster/partition-slice.ts";

const { PREFERRED, UNCLEAN } = ElectionType;

describe("requested election", () => {
  const placement = { replicas: [1, 2, 3] };
  const cases: readonly {
    readonly name: string;
    readonly type: ElectionType;
    readonly state: Partial<PartitionState>;
    readonly alive?: readonly number[];
    readonly draining?: readonly number[];
    /** Leader and in-sync replicas, or the refusal. */
    readonly becomes: readonly [number, readonly number[]] | number;
  }[] = [
    {
      name: "gives the preferred replica its leadership back",
      type: PREFERRED,
      state: { leader: 2 },
      becomes: [1, [1, 2, 3]],
    },
    {
      name: "is not needed when it leads",
      type: PREFERRED,
      state: { leader: 1 },
      becomes: ErrorCode.ELECTION_NOT_NEEDED,
    },
    {
      name: "does not elect a preferred replica that is not in sync",
      type: PREFERRED,
      state: { leader: 2, isr: [2, 3] },
      becomes: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    },
    {
      name: "nor one that is stopping",
      type: PREFERRED,
      state: { leader: 2 },
      draining: [1],
      becomes: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    },
    {
      name: "is not needed, unclean, while somebody leads",
      type: UNCLEAN,
      state: { leader: 2, isr: [2] },
      becomes: ErrorCode.ELECTION_NOT_NEEDED,
    },
    {
      name: "takes one that is not in sync when nobody else is there",
      type: UNCLEAN,
      state: { leader: -1, isr: [1] },
      alive: [2, 3],
      becomes: [2, [2]],
    },
    {
      name: "takes one that is in sync before it",
      type: UNCLEAN,
      state: { leader: -1, isr: [3] },
      becomes: [3, [3]],
    },
    {
      name: "takes an eligible one before one that is not",
      type: UNCLEAN,
      state: { leader: -1, isr: [1], elr: [3] },
      alive: [2, 3],
      becomes: [3, [3]],
    },
    {
      name: "finds nobody where no replica is there",
      type: UNCLEAN,
      state: { leader: -1, isr: [1] },
      alive: [],
      becomes: ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
    },
  ];
  for (const { name, type, state, alive = [1, 2, 3], draining = [], becomes } of cases) {
    it(name, () => {
      const before = { leader: 1, leaderEpoch: 4, isr: [1, 2, 3], elr: [], partitionEpoch: 9 };
      const election = requestedElection(type, { ...before, ...state }, placement, {
        alive: (id) => alive.includes(id),
        eligible: (id) => alive.includes(id) && !draining.includes(id),
        minInSyncReplicas: 2,
        unclean: false,
      });
      if (election.kind === "refused") {
        assert.equal(errorName(election.errorCode), errorName(Number(becomes)));
        return;
      }
      const { leader, leaderEpoch, partitionEpoch, isr } = election.state;
      assert.deepEqual([leader, isr], becomes);
      assert.deepEqual([leaderEpoch, partitionEpoch], [5, 10], "C1, C2");
    });
  }
});
