import assert from "node:assert/strict";
import { API_VERSION } from "../../../cluster/resources.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { EventWorld } from "../../support/event-world.ts";

const NAMESPACE = "default";

const topic = (name: string): KubeObject => ({
  apiVersion: API_VERSION,
  kind: "Topic",
  metadata: { name, namespace: NAMESPACE, uid: `id-${name}` },
});

describe("event recorder", () => {
  it("tells of what and why, where kubectl describe looks", async () => {
    const world = new EventWorld();
    world.recorder.record(topic("orders"), "Warning", "NotEnoughBrokers", "4 replicas");
    const [event, ...more] = await world.all();
    assert.equal(more.length, 0);
    const { kind, apiVersion, name, uid } = event?.involvedObject ?? {};
    assert.deepEqual([kind, apiVersion, name, uid], ["Topic", API_VERSION, "orders", "id-orders"]);
    assert.deepEqual(
      [event?.type, event?.reason, event?.message],
      ["Warning", "NotEnoughBrokers", "4 replicas"],
    );
  });

  it("does not say the same again within ten minutes, but another turn of it", async () => {
    const world = new EventWorld();
    const say = (turn?: string): void => {
      world.recorder.record(topic("orders"), "Warning", "Lost", "it is lost", turn);
    };
    say();
    say();
    assert.equal((await world.all()).length, 1);
    say("2");
    say("2");
    assert.equal((await world.all()).length, 2);
    await world.scheduler.advance(600_000);
    say();
    assert.equal((await world.all()).length, 3);
  });

  it("says little when there is much to say, and goes on afterwards", async () => {
    const world = new EventWorld();
    for (let at = 0; at < 2000; at++) {
      world.recorder.record(topic(`t${at}`), "Warning", "Lost", "it is lost");
    }
    assert.equal((await world.all()).length, 50);
    await world.scheduler.advance(2000);
    world.recorder.record(topic("later"), "Warning", "Lost", "it is lost");
    assert.equal((await world.all()).length, 51);
  });

  it("makes names that the API takes, however long the object's own is", async () => {
    const world = new EventWorld();
    const long = `${"a".repeat(199)}.${"b".repeat(53)}`;
    world.recorder.record(topic(long), "Normal", "Ready", "it is ready");
    const name = (await world.all())[0]?.metadata.name ?? "";
    assert.ok(name.length <= 253, `${name.length} characters`);
    assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  });
});
