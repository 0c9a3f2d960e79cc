import assert from "node:assert/strict";
import { clientOf, createTopic, type Kube } from "../../bench/load/local.ts";
import { readBack } from "../../bench/load/read-back.ts";
import { SteadyProducer } from "../../bench/load/steady-producer.ts";
import type { KafkaClient } from "../support/kafka-client.ts";
import { topics } from "../../cluster/resources.ts";
import { volumeClaims } from "../../operator/resources/workloads.ts";
import { eventually, LocalCluster } from "../support/local-cluster.ts";
import { Operations } from "../support/operations.ts";

const PARTITIONS = 12;
const LOAD = { topic: "orders", partitions: PARTITIONS, recordsPerSecond: 200, recordBytes: 200 };

describe("operations under load", function () {
  this.timeout(240_000);
  let local: LocalCluster;
  let kube: Kube;
  let client: KafkaClient;
  let producer: SteadyProducer;
  let operations: Operations;

  before(async () => {
    local = await LocalCluster.start(3);
    kube = await local.kube();
    await createTopic(kube, LOAD.topic, PARTITIONS);
    client = clientOf(local);
    producer = new SteadyProducer({ client, ...LOAD });
    await producer.start();
    operations = new Operations({
      kube,
      namespace: "default",
      cluster: "local",
      gap: () => Promise.resolve(producer.takeGap()),
      limitMs: 120_000,
    });
    await operations.settled();
  });

  after(async () => {
    producer.abandon();
    client.close();
    kube.close();
    await local.remove();
  });

  async function tell(name: string, act: () => Promise<unknown>): Promise<void> {
    const { seconds, gapMs } = await operations.timed(act);
    console.log(`    ${name}: ${seconds.toFixed(1)} s, longest gap ${gapMs.toFixed(0)} ms`);
  }

  /** The client knows brokers that are no more: like others it asks the next one then. */
  async function refreshed(topic: string): Promise<void> {
    await eventually(
      () =>
        client.refresh([topic]).then(
          () => true,
          () => undefined,
        ),
      `metadata of ${topic}`,
    );
  }

  it("spread onto two brokers that come, with as few moves as can be", async () => {
    await tell("three to five brokers", async () => {
      const { moved, least, mostAtOnce } = await operations.scale(5);
      console.log(
        `    ${moved} replicas copied, at least ${least}; ${mostAtOnce} partitions at once`,
      );
      assert.ok(moved >= least && moved <= least + 2, `${moved} of ${least}`);
      assert.ok(mostAtOnce <= 10, "throttled");
    });
  });

  it("tell which topic keeps brokers from going, and let them go when it can", async () => {
    await operations.makeTopic("wide", { partitions: 2, replicas: 4 });
    await operations.settled();
    await tell("five to three brokers", async () => {
      await operations.changeCluster({ brokers: 3 });
      const message = await operations.told("Reconciling", "DrainingBrokers");
      assert.match(message, /wide/);
      await operations.change(topics, "wide", { replicas: 3 });
      await operations.settled();
      assert.equal((await operations.pods()).length, 3);
    });
  });

  it("heal when a bad spec is corrected, and restart nobody for it", async () => {
    const before = (await operations.pods()).map(({ metadata }) => metadata.uid);
    const { config } = (await operations.cluster()).spec;
    await operations.changeCluster({ config: { ...config, "log.retention.hours": "none" } });
    assert.match(await operations.told("Stalled", "InvalidConfig"), /log.retention.hours/);
    await operations.changeCluster({ config });
    await operations.settled();
    const after = (await operations.pods()).map(({ metadata }) => metadata.uid);
    assert.deepEqual(after, before);
  });

  it("have more partitions, fewer replicas and more again", async () => {
    await tell("partitions and replicas", async () => {
      await operations.change(topics, LOAD.topic, { partitions: 18 });
      await operations.settled();
      await operations.change(topics, LOAD.topic, { replicas: 2 });
      await operations.settled();
      await operations.change(topics, LOAD.topic, { replicas: 3 });
      await operations.settled();
    });
    const [slice] = await operations.slices(LOAD.topic);
    assert.deepEqual(
      new Set(slice?.spec.partitions.map(({ replicas }) => replicas.length)),
      new Set([3]),
    );
    assert.equal(slice?.spec.partitions.length, 18);
  });

  it("keep a topic apart from the deleted one whose name it has", async () => {
    await operations.makeTopic("again", { partitions: 1 });
    await operations.settled();
    await refreshed("again");
    const record = {
      values: ["old"],
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      timestamp: Date.now(),
    };
    await client.produce("again", 0, record, 5000);
    const before = await kube.get(topics, "default", "again");
    await kube.delete(topics, "default", "again");
    const again = await operations.makeTopic("again", { partitions: 1 });
    assert.notEqual(again.metadata.uid, before.metadata.uid);
    await operations.settled();
    await refreshed("again");
    await client.produce("again", 0, { ...record, values: ["new"] }, 5000);
    const { records } = await client.fetch("again", 0, 0, 0);
    assert.deepEqual(
      records.map(({ value }) => value),
      ["new"],
    );
  });

  it("grow their volumes", async () => {
    await tell("volumes grown", async () => {
      await operations.changeCluster({ storage: { size: "200Gi" } });
      await operations.settled();
    });
    const { items } = await kube.list(volumeClaims, "default");
    const sizes = items.map(({ spec }) => spec.resources?.requests?.storage);
    assert.ok(
      sizes.slice(0, 3).every((size) => size === "200Gi"),
      sizes.join(),
    );
  });

  it("copy what was on a volume that is lost", async () => {
    await tell("volume lost", () => operations.loseVolume(1));
  });

  it("are restarted one by one for another image", async () => {
    await tell("another image", async () => {
      const before = await operations.pods();
      await operations.changeCluster({ image: "forebay:next" });
      await operations.restarted(before);
    });
  });

  it("have lost, doubled and reordered no acknowledged record in all that", async () => {
    await producer.stop();
    const { acknowledged, lost, duplicated, outOfOrder } = await readBack(
      client,
      LOAD.topic,
      producer.acked,
    );
    console.log(`    ${acknowledged} records acknowledged, ${producer.retries} retries`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });
});
