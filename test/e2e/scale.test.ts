import assert from "node:assert/strict";
import { type Admin, type Consumer, Kafka, logLevel, type Producer } from "kafkajs";
import { brokerClusters } from "../../cluster/resources.ts";
import type { createKubeClient } from "../../kube/client.ts";
import { changeObject } from "../support/change-object.ts";
import { eventually, lastLogLines, LocalCluster, within } from "../support/local-cluster.ts";
import { recordedSlices } from "../support/recorded-slices.ts";

const TOPIC = "orders";
const PARTITIONS = 12;
const REPLICAS = 3 * PARTITIONS;

type Kube = ReturnType<typeof createKubeClient>;

async function scale(kube: Kube, brokers: number): Promise<void> {
  await changeObject(kube, brokerClusters, "default", "local", (cluster) => ({
    ...cluster,
    spec: { ...cluster.spec, brokers },
  }));
}

/**
 * Waits until as many brokers are ready, nothing moves, and each has its share: a broker that was silent for a moment has
 * replicas moved around it, and back.
 */
async function settled(kube: Kube, brokers: number, share: number): Promise<void> {
  let last = "";
  await eventually(
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
      last = JSON.stringify([...counts]);
      return counts.size === brokers && [...counts.values()].every((count) => count === share)
        ? true
        : undefined;
    },
    `${brokers} brokers at rest`,
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`replicas by broker: ${last}`, { cause: error });
  });
}

/** Sends record after record until it is told to stop. @returns what was acknowledged */
function steadily(producer: Producer): { stop(): Promise<readonly string[]> } {
  let going = true;
  const load = (async () => {
    const acknowledged: string[] = [];
    for (let n = 0; going; n++) {
      const value = `record ${n}`;
      await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: String(n), value }] });
      acknowledged.push(value);
    }
    return acknowledged;
  })();
  // Whoever stops it is told what went wrong.
  load.catch(() => undefined);
  return {
    stop: () => {
      going = false;
      return load;
    },
  };
}

/** How many records are stored: a leadership that moves just now is asked for again. */
function stored(admin: Admin): Promise<number> {
  return eventually(async () => {
    try {
      const offsets = await admin.fetchTopicOffsets(TOPIC);
      return offsets.reduce((sum, { high }) => sum + Number(high), 0);
    } catch (error) {
      if ((error as { readonly retriable?: boolean }).retriable !== true) throw error;
      return undefined;
    }
  }, "the end of each partition");
}

async function readAll(consumer: Consumer, count: number): Promise<readonly string[]> {
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const read: string[] = [];
  await consumer.run({
    eachMessage: ({ message }) => {
      read.push(message.value?.toString() ?? "");
      return Promise.resolve();
    },
  });
  return eventually(
    () => Promise.resolve(read.length >= count ? read : undefined),
    `${count} records`,
    60_000,
  );
}

describe("scaling", () => {
  it("spreads topics onto a broker that comes, and takes them off one that goes, under load", async () => {
    const cluster = await LocalCluster.start(3);
    const kube = await cluster.kube();
    const said: string[] = [];
    const kafka = new Kafka({
      brokers: cluster.bootstrap.split(","),
      logLevel: logLevel.WARN,
      logCreator: () => (entry) => {
        said.push(JSON.stringify(entry));
      },
      retry: { retries: 20 },
    });
    const admin = kafka.admin();
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    const consumer = kafka.consumer({ groupId: "check", maxWaitTimeInMs: 100 });
    let load: ReturnType<typeof steadily> | undefined;
    try {
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
      await producer.connect();
      load = steadily(producer);

      await settled(kube, 3, REPLICAS / 3);
      await scale(kube, 4);
      await settled(kube, 4, REPLICAS / 4);
      await scale(kube, 3);
      await settled(kube, 3, REPLICAS / 3);
      const acknowledged = await within(60_000, load.stop(), "the last acknowledgement");

      await consumer.connect();
      const read = await readAll(consumer, await stored(admin));
      assert.equal(new Set(read).size, read.length, "none twice");
      const there = new Set(read);
      assert.deepEqual(
        acknowledged.filter((value) => !there.has(value)),
        [],
        "none lost",
      );
      assert.ok(acknowledged.length > 100);
    } catch (error) {
      for (const line of [...lastLogLines(cluster), "== kafkajs", ...said.slice(-30)]) {
        console.log(line);
      }
      throw error;
    } finally {
      void load?.stop().catch(() => undefined);
      for (const client of [producer, consumer, admin]) await client.disconnect();
      kube.close();
      await cluster.remove();
    }
  });
});
