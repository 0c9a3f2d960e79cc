import assert from "node:assert/strict";
import type { ReplicatedPartition } from "../../../../cluster/restart-safety.ts";
import {
  planRollingRestart,
  type RollingBroker,
  type RollingInputs,
} from "../../../../operator/plan/rolling-restart.ts";

function broker(id: number, rest: Partial<RollingBroker> = {}): RollingBroker {
  return { id, gone: false, outdated: false, ready: true, running: true, ...rest };
}

function partition(
  name: string,
  replicas: readonly number[],
  isr: readonly number[] = replicas,
  minInSyncReplicas = Math.floor(replicas.length / 2) + 1,
): ReplicatedPartition {
  return {
    topic: name.replace(/-\d+$/, ""),
    name,
    replicas,
    wantedReplicas: replicas.length,
    isr,
    minInSyncReplicas,
  };
}

const old = (id: number, rest: Partial<RollingBroker> = {}): RollingBroker =>
  broker(id, { outdated: true, ...rest });

/** `restart 2`, `wait WaitingForBroker` or `done`. */
function step(inputs: Partial<RollingInputs>): string {
  const plan = planRollingRestart({
    brokers: [],
    partitions: [],
    controller: undefined,
    ...inputs,
  });
  assert(plan.next === undefined || plan.wait === undefined, "one or the other");
  if (plan.next !== undefined) return `restart ${plan.next}`;
  return plan.wait === undefined ? "done" : `wait ${plan.wait.reason}`;
}

describe("rolling restart", () => {
  const cases: readonly [string, Partial<RollingInputs>, string][] = [
    ["does nothing when all pods are of the newest template", { brokers: [broker(0)] }, "done"],
    [
      "takes the last broker first",
      { brokers: [old(0), old(1), old(2)], partitions: [partition("t-0", [0, 1, 2])] },
      "restart 2",
    ],
    [
      "takes the controller's broker last",
      { brokers: [old(0), old(1), old(2)], controller: 2 },
      "restart 1",
    ],
    [
      "takes the controller's broker in the end",
      { brokers: [broker(0), old(1)], controller: 1 },
      "restart 1",
    ],
    [
      "waits for a broker that is not ready yet",
      { brokers: [old(0), old(1), broker(2, { ready: false })] },
      "wait WaitingForBroker",
    ],
    [
      "waits for a broker that is ready but fenced",
      { brokers: [old(0), old(1), broker(2, { running: false })] },
      "wait WaitingForBroker",
    ],
    [
      "waits for a broker that has no pod",
      { brokers: [old(0), old(1), broker(2, { gone: true, ready: false, running: false })] },
      "wait WaitingForBroker",
    ],
    [
      "waits until a restarted broker is back in sync, though the minimum would allow more",
      {
        brokers: [old(0), old(1), old(3), broker(2)],
        partitions: [partition("t-0", [0, 1, 2, 3], [0, 1, 3], 2)],
      },
      "wait WaitingForReplicas",
    ],
    [
      "does not mind a replica that lags on a broker that was not restarted",
      {
        brokers: [old(0), old(1), old(2)],
        partitions: [partition("t-0", [0, 1, 2], [1, 2], 1)],
      },
      "restart 2",
    ],
    [
      "takes another broker when one is needed for a minimum",
      {
        brokers: [old(0), old(1), old(2)],
        partitions: [partition("t-0", [0, 1, 2], [1, 2], 2)],
      },
      "restart 0",
    ],
    [
      "keeps the controller's broker for the end, also when the others have to wait",
      {
        brokers: [old(0), old(1), old(2)],
        partitions: [partition("t-0", [0, 1, 2], [1, 2], 2)],
        controller: 0,
      },
      "wait WaitingForInSyncReplicas",
    ],
    [
      "waits for a partition that nobody leads yet",
      { brokers: [old(0), old(1)], partitions: [partition("t-0", [0, 1], [], 1)] },
      "wait WaitingForInSyncReplicas",
    ],
    [
      "restarts the only replica of a partition all the same",
      { brokers: [old(0), old(1)], partitions: [partition("t-0", [1])] },
      "restart 1",
    ],
    [
      "wants all replicas in sync where there are too few for the minimum",
      { brokers: [old(0), old(1)], partitions: [partition("t-0", [0, 1], [1], 2)] },
      "restart 0",
    ],
    [
      "does not restart the only one in sync",
      {
        brokers: [broker(0, { outdated: false }), old(1)],
        partitions: [partition("t-0", [0, 1], [1], 2)],
      },
      "wait WaitingForReplicas",
    ],
    [
      "does not wait for brokers that cannot get ready with the old template",
      {
        brokers: [
          old(0, { ready: false, running: false }),
          old(1, { ready: false, running: false }),
          broker(2, { gone: true, ready: false, running: false }),
        ],
        partitions: [partition("t-0", [0, 1, 2], [])],
      },
      "restart 0",
    ],
    [
      "takes a broker that runs without being ready first, if partitions can do without",
      {
        brokers: [old(0), old(1, { ready: false }), old(2)],
        partitions: [partition("t-0", [0, 1, 2])],
      },
      "restart 1",
    ],
    [
      "lets no two brokers wait for each other to become ready",
      { brokers: [old(0, { ready: false }), old(1, { ready: false })] },
      "restart 1",
    ],
    [
      "keeps a broker that runs without being ready where its replicas are needed",
      {
        brokers: [old(0), old(1, { ready: false }), old(2)],
        partitions: [partition("t-0", [0, 1, 2], [1, 2])],
      },
      "wait WaitingForInSyncReplicas",
    ],
    [
      "leaves a pod that is going away alone",
      { brokers: [old(0), old(1, { gone: true, ready: false })] },
      "wait WaitingForBroker",
    ],
  ];
  for (const [sentence, inputs, expected] of cases) {
    it(sentence, () => {
      assert.equal(step(inputs), expected);
    });
  }

  it("names the topics that a restart interrupts, and no others", () => {
    const plan = planRollingRestart({
      brokers: [old(0), broker(1), broker(2)],
      partitions: [
        partition("single-0", [0]),
        partition("single-1", [1]),
        partition("pair-0", [0, 1], [0, 1], 2),
        partition("triple-0", [0, 1, 2]),
      ],
      controller: undefined,
    });
    assert.deepEqual(plan.interrupted, [
      { topic: "pair", partitions: 1 },
      { topic: "single", partitions: 2 },
    ]);
  });

  it("says what it waits for", () => {
    const { wait } = planRollingRestart({
      brokers: [old(0), broker(1)],
      partitions: [partition("orders-3", [0, 1], [0], 1), partition("orders-4", [1, 0], [0], 1)],
      controller: undefined,
    });
    assert.equal(
      wait?.message,
      "2 replicas on restarted brokers are not in sync, for example that of orders-3 on broker 1",
    );
  });
});
