import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { brokerClusters } from "../../cluster/resources.ts";
import type { createKubeClient } from "../../kube/client.ts";
import { changeObject } from "../support/change-object.ts";
import { eventually, LocalCluster } from "../support/local-cluster.ts";
import { recordedSlices } from "../support/recorded-slices.ts";

type Kube = ReturnType<typeof createKubeClient>;

async function scale(kube: Kube, brokers: number): Promise<void> {
  await changeObject(kube, brokerClusters, "default", "local", (cluster) => ({
    ...cluster,
    spec: { ...cluster.spec, brokers },
  }));
}

/** Waits until as many brokers are ready and nothing moves. @returns replicas by broker id */
function settled(kube: Kube, brokers: number): Promise<ReadonlyMap<number, number>> {
  return eventually(
    async () => {
      const { status } = await kube.get(brokerClusters, "default", "local");
      if (status?.readyBrokers !== brokers || status.balancedBrokers !== brokers) return undefined;
      if (status.brokers !== brokers) return undefined;
      const slices = await recordedSlices(kube, "default");
      const counts = new Map<number, number>();
      for (const { spec, states } of slices) {
        for (const [at, { replicas, adding, removing }] of spec.partitions.entries()) {
          if (adding !== undefined || removing !== undefined) return undefined;
          if (states[at]?.isr.length !== replicas.length) return undefined;
          for (const id of replicas) counts.set(id, (counts.get(id) ?? 0) + 1);
        }
      }
      return counts;
    },
    `${brokers} brokers at rest`,
    60_000,
  );
}

describe("scaling", () => {
  it("spreads topics onto a broker that comes, and takes them off one that goes, under load", async () => {
    const cluster = await LocalCluster.start(3);
    const kube = await cluster.kube();
    try {
      const kafka = new Kafka({
        brokers: cluster.bootstrap.split(","),
        logLevel: logLevel.NOTHING,
        retry: { retries: 20 },
      });
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 12 }] });
      const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
      const acknowledged: string[] = [];
      let going = true;
      const load = (async () => {
        for (let n = 0; going; n++) {
          const value = `record ${n}`;
          await producer.send({ topic: "orders", acks: -1, messages: [{ key: String(n), value }] });
          acknowledged.push(value);
        }
      })();

      await settled(kube, 3);
      await scale(kube, 4);
      const four = await settled(kube, 4);
      assert.equal(four.get(3), 9, "a quarter of 36 replicas");
      await scale(kube, 3);
      const three = await settled(kube, 3);
      assert.deepEqual([...three.keys()].sort(), [0, 1, 2]);
      going = false;
      await load;
      await producer.disconnect();

      const offsets = await admin.fetchTopicOffsets("orders");
      const stored = offsets.reduce((sum, { high }) => sum + Number(high), 0);
      await admin.disconnect();
      const consumer = kafka.consumer({ groupId: "check", maxWaitTimeInMs: 100 });
      await consumer.connect();
      await consumer.subscribe({ topic: "orders", fromBeginning: true });
      const read: string[] = [];
      await new Promise<void>((resolve, reject) => {
        consumer
          .run({
            eachMessage: ({ message }) => {
              read.push(message.value?.toString() ?? "");
              if (read.length === stored) resolve();
              return Promise.resolve();
            },
          })
          .catch(reject);
      });
      await consumer.disconnect();
      assert.equal(new Set(read).size, read.length, "none twice");
      const there = new Set(read);
      assert.deepEqual(
        acknowledged.filter((value) => !there.has(value)),
        [],
        "none lost",
      );
      assert.ok(acknowledged.length > 100);
    } finally {
      kube.close();
      await cluster.remove();
    }
  });
});
