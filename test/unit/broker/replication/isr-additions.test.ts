import assert from "node:assert/strict";
import { admitted } from "../../../../broker/replication/isr-additions.ts";
import type { BrokerObject } from "../../../../cluster/broker.ts";

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
      const registered = new Map([
        [1, broker("running", 3)],
        [2, second],
      ]);
      assert.deepEqual(admitted(proposal, registered, { partitionEpoch }), joins);
    });
  }
});
