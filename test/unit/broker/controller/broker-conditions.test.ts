import assert from "node:assert/strict";
import { brokerConditions } from "../../../../cluster/broker-conditions.ts";
import type { BrokerState } from "../../../../cluster/broker.ts";
import { brokers } from "../../../../cluster/resources.ts";
import type { Condition } from "../../../../kube/objects.ts";
import { startInProcessCluster } from "../../../support/in-process-cluster.ts";
import { eventually } from "../../../support/local-cluster.ts";

const NAMESPACE = "default";
const BASE_PORT = 21_460;

function truths(conditions: readonly Condition[] | undefined): string {
  return (conditions ?? [])
    .filter(({ status }) => status === "True")
    .map(({ type, reason }) => `${type} ${reason}`)
    .join();
}

describe("conditions of a broker", () => {
  const WORDS: Readonly<Record<BrokerState, string>> = {
    running: "Ready Running",
    draining: "Reconciling Draining",
    fenced: "Reconciling Fenced",
  };
  for (const [state, words] of Object.entries(WORDS)) {
    it(`tell that one is ${state}`, () => {
      const found = brokerConditions(state as BrokerState, undefined, 1, 0);
      assert.deepEqual(
        found.map(({ type, observedGeneration }) => [type, observedGeneration]),
        [
          ["Ready", 1],
          ["Reconciling", 1],
          ["Stalled", 1],
        ],
      );
      assert.equal(truths(found), words);
    });
  }

  it("say since when it is not ready, from draining to fenced", () => {
    const running = brokerConditions("running", undefined, 1, 0);
    const draining = brokerConditions("draining", running, 1, 60_000);
    const fenced = brokerConditions("fenced", draining, 1, 120_000);
    assert.equal(fenced[0]?.lastTransitionTime, draining[0]?.lastTransitionTime);
    assert.notEqual(draining[0]?.lastTransitionTime, running[0]?.lastTransitionTime);
  });

  it("are recorded with its state when it runs, stops, and runs again", async () => {
    const cluster = await startInProcessCluster({ brokers: 2, basePort: BASE_PORT });
    const told = (words: string): Promise<unknown> =>
      eventually(async () => {
        const { metadata, status } = await cluster.kube.get(brokers, NAMESPACE, "test-1");
        assert.equal(status?.observedGeneration, metadata.generation);
        return truths(status?.conditions) === words ? true : undefined;
      }, words);
    try {
      await told(WORDS.running);
      await cluster.brokers[1]?.drain();
      await told(WORDS.fenced);
      await cluster.start(1);
      await told(WORDS.running);
    } finally {
      await cluster.stop();
    }
  });
});
