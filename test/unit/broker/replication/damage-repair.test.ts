import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DamageRepair } from "../../../../broker/replication/damage-repair.ts";
import type { Network } from "../../../../broker/network/frame-channel.ts";
import type { Partition } from "../../../../broker/replication/partition.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const SELF = 1;

describe("replication: damage that nobody can repair", () => {
  const CASES: readonly {
    readonly what: string;
    readonly uncut: boolean;
    readonly following: boolean;
    readonly isr: readonly number[];
    readonly elr: readonly number[];
    readonly anew: boolean;
  }[] = [
    {
      what: "a follower that cannot be cut and counts for nobody",
      ...{ uncut: true, following: true, isr: [2], elr: [], anew: true },
    },
    {
      what: "one that is in sync",
      ...{ uncut: true, following: true, isr: [2, SELF], elr: [], anew: false },
    },
    {
      what: "one that may be elected when nobody is in sync",
      ...{ uncut: true, following: true, isr: [2], elr: [SELF], anew: false },
    },
    {
      what: "one that leads, or does not know who does",
      ...{ uncut: true, following: false, isr: [2], elr: [], anew: false },
    },
    {
      what: "one that only some reads are refused of",
      ...{ uncut: false, following: true, isr: [2], elr: [], anew: false },
    },
  ];
  for (const { what, anew, uncut, following, isr, elr } of CASES) {
    it(`${anew ? "lets" : "does not let"} ${what} begin anew`, async () => {
      const scheduler = new VirtualScheduler();
      const begun: number[] = [];
      const log = {
        held: uncut,
        uncut,
        logStartOffset: 5,
        truncateFullyAndStartAt: (offset: number) => {
          begun.push(offset);
          return Promise.resolve();
        },
      };
      const partition = {
        ...{ topic: "t", topicId: "id", partition: 0, log, closed: false },
        following: following ? { leader: 2, leaderEpoch: 3 } : undefined,
        record: { state: { isr, elr }, placement: { replicas: [SELF, 2] } },
      } as unknown as Partition;
      const repair = new DamageRepair({
        self: SELF,
        network: {} as Network,
        scheduler,
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        // Nobody is reached.
        endpoint: () => undefined,
      });
      repair.begin(partition, new DamagedError({ segment: 0, position: 0, offset: 7 }, "checksum"));
      await scheduler.advance(1);
      assert.deepEqual(begun, anew ? [5] : []);
    });
  }
});
