import assert from "node:assert/strict";
import { kstatus, withConditions } from "../../../../cluster/conditions.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import { TopicTeller } from "../../../../operator/controllers/topic-teller.ts";
import type { TopicStatus } from "../../../../operator/status/topic-status.ts";
import { EventWorld } from "../../../support/event-world.ts";

type Verdict = Parameters<typeof kstatus>[0];

const READY: Verdict = { is: "ready", reason: "PartitionsOnline", message: "3 have leaders" };
const PLACING: Verdict = { is: "reconciling", reason: "Placing", message: "0 of 3 are placed" };
const OFFLINE: Verdict = {
  is: "reconciling",
  reason: "PartitionsOffline",
  message: "3 of 3 partitions have no leader",
};
const CLASH: Verdict = { is: "stalled", reason: "TopicNameConflict", message: "b is older" };
const WIDE: Verdict = { is: "stalled", reason: "NotEnoughBrokers", message: "4 of 3 brokers" };

/** A topic to which one thing after the other happens. */
class Story {
  readonly world = new EventWorld();
  teller = new TopicTeller(this.world.recorder);
  #status: TopicStatus | undefined;

  /** @param generation of the spec that the status is about */
  async is(verdict: Verdict, generation = 1): Promise<void> {
    await this.world.scheduler.advance(1000);
    const topic: Topic = {
      apiVersion: API_VERSION,
      kind: "Topic",
      metadata: { name: "orders", namespace: "default", uid: "id", generation },
      spec: { cluster: "c", partitions: 3 },
      ...(this.#status === undefined ? {} : { status: this.#status }),
    };
    const wallNow = this.world.scheduler.wallNow();
    const conditions = this.#status?.conditions;
    this.#status = {
      observedGeneration: generation,
      conditions: withConditions(conditions, kstatus(verdict), generation, wallNow),
    };
    this.teller.tell(topic, this.#status);
  }

  async told(): Promise<string[]> {
    const all = await this.world.all();
    return all.map(({ type, reason }) => `${type} ${reason}`).sort();
  }
}

describe("topic teller", () => {
  it("says nothing of a topic that gets ready and grows", async () => {
    const story = new Story();
    for (const verdict of [PLACING, OFFLINE, READY]) await story.is(verdict);
    for (const verdict of [PLACING, OFFLINE, READY]) await story.is(verdict, 2);
    assert.deepEqual(await story.told(), []);
  });

  it("says why a topic is refused, once, and that it is ready at last", async () => {
    const story = new Story();
    for (const verdict of [CLASH, CLASH, PLACING, OFFLINE]) await story.is(verdict);
    assert.deepEqual(await story.told(), ["Warning TopicNameConflict"]);
    for (const verdict of [READY, READY]) await story.is(verdict);
    assert.deepEqual(await story.told(), ["Normal Ready", "Warning TopicNameConflict"]);
  });

  it("says when it is refused for another reason", async () => {
    const story = new Story();
    await story.is(CLASH);
    await story.is(WIDE, 2);
    assert.deepEqual(await story.told(), ["Warning NotEnoughBrokers", "Warning TopicNameConflict"]);
  });

  it("says that partitions have lost their leaders and that they are back, each time", async () => {
    const story = new Story();
    await story.is(READY);
    for (const verdict of [OFFLINE, READY, OFFLINE, READY]) await story.is(verdict);
    assert.deepEqual(await story.told(), [
      "Normal Ready",
      "Normal Ready",
      "Warning PartitionsOffline",
      "Warning PartitionsOffline",
    ]);
  });

  it("says that it is ready again also when its predecessor said what was wrong", async () => {
    const story = new Story();
    await story.is(WIDE);
    story.teller = new TopicTeller(story.world.recorder);
    await story.is(READY, 2);
    assert.deepEqual(await story.told(), ["Normal Ready", "Warning NotEnoughBrokers"]);
  });
});
