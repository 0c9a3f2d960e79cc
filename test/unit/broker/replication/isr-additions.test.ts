import assert from "node:assert/strict";
import { admitted } from "../../../../broker/replication/isr-additions.ts";
import type { BrokerObject } from "../../../../cluster/broker.ts";
import type { PartitionPlacement, PartitionState } from "../../../../cluster/partition-slice.ts";

const proposal = {
  add: [1, 2],
  drop: [],
  expectedPartitionEpoch: 7,
  brokerEpochs: new Map([
    [1, 3],
    [2, 5],
  ]),
};

function broker(state: "running" | "fenced" | "draining", epoch: number): BrokerObject {
  return {
    apiVersion: "forebay.dev/v1alpha1",
    kind: "Broker",
    metadata: { name: "b" },
    spec: { cluster: "c", id: 0 },
    status: { state, epoch },
  };
}

function brokers(second: BrokerObject | undefined): ReadonlyMap<number, BrokerObject | undefined> {
  return new Map([
    [1, broker("running", 3)],
    [2, second],
  ]);
}

function at(partitionEpoch: number): PartitionState {
  return { leader: 0, leaderEpoch: 1, isr: [0], elr: [], partitionEpoch };
}

describe("additions to the in-sync replicas", () => {
  const CASES: readonly {
    readonly what: string;
    readonly second: BrokerObject | undefined;
    readonly partitionEpoch: number;
    readonly joins: readonly number[];
  }[] = [
    {
      what: "who fetched and runs",
      second: broker("running", 5),
      partitionEpoch: 7,
      joins: [1, 2],
    },
    {
      what: "nobody once the partition has changed",
      second: broker("running", 5),
      partitionEpoch: 8,
      joins: [],
    },
    {
      what: "no newer process of the broker",
      second: broker("running", 6),
      partitionEpoch: 7,
      joins: [1],
    },
    { what: "nobody who is fenced", second: broker("fenced", 5), partitionEpoch: 7, joins: [1] },
    {
      what: "nobody who is about to stop",
      second: broker("draining", 5),
      partitionEpoch: 7,
      joins: [1],
    },
    {
      what: "nobody whose registration could not be read",
      second: undefined,
      partitionEpoch: 7,
      joins: [1],
    },
  ];
  for (const { what, second, partitionEpoch, joins } of CASES) {
    it(`admit ${what}`, () => {
      const placement = { replicas: [0, 1, 2] };
      assert.deepEqual(
        admitted(proposal, { brokers: brokers(second), placement }, at(partitionEpoch)),
        joins,
      );
    });
  }

  const PLACEMENTS: readonly {
    readonly what: string;
    readonly placement: PartitionPlacement | undefined;
    readonly joins: readonly number[];
  }[] = [
    { what: "nobody while the placement cannot be read", placement: undefined, joins: [] },
    { what: "nobody who is not placed any more", placement: { replicas: [0, 1] }, joins: [1] },
    {
      what: "nobody who is on its way out and not needed",
      placement: { replicas: [0, 1, 2], adding: [0], removing: [2] },
      joins: [1],
    },
    {
      what: "who is on its way out as long as its successor is not in sync",
      placement: { replicas: [0, 1, 2, 3], adding: [3], removing: [2] },
      joins: [1, 2],
    },
  ];
  for (const { what, placement, joins } of PLACEMENTS) {
    it(`admit ${what}`, () => {
      const registered = brokers(broker("running", 5));
      assert.deepEqual(admitted(proposal, { brokers: registered, placement }, at(7)), joins);
    });
  }
});
