import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { brokerClusters } from "../../cluster/resources.ts";
import type { ListenerStatus } from "../../cluster/listeners.ts";
import { type InProcessCluster, startInProcessCluster } from "../support/in-process-cluster.ts";
import { eventually } from "../support/local-cluster.ts";

const BROKERS = 2;
const basePort = 21_000 + Math.floor(Math.random() * 8000);
const outsidePort = basePort + 200;

/** Brokers on loopback addresses of their own; what the operator would find of their listeners is written by the test. */
describe("listeners for clients from outside", () => {
  let cluster: InProcessCluster;
  before(async () => {
    cluster = await startInProcessCluster({
      brokers: BROKERS,
      basePort,
      listeners: [{ name: "outside", port: outsidePort, type: "nodeport" }],
    });
    await found("outside", outsidePort);
  });
  after(async () => cluster?.stop());

  /** The operator has found where a listener is reached. */
  async function found(name: string, port: number): Promise<void> {
    const now = await cluster.kube.get(brokerClusters, "default", "test");
    const brokers: ListenerStatus["brokers"] = Array.from({ length: BROKERS }, (_, id) => ({
      id,
      host: `127.0.0.${id + 1}`,
      port,
    }));
    const status = { ...now.status, listeners: [{ name, brokers }] };
    await cluster.kube.replace(
      brokerClusters,
      "default",
      { ...now, status },
      { subresource: "status" },
    );
  }

  function kafka(bootstrap: string): Kafka {
    return new Kafka({
      clientId: "outside",
      brokers: [bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { retries: 2, initialRetryTime: 100 },
      connectionTimeout: 2000,
    });
  }

  /** Where the client is told that brokers are. */
  async function addresses(bootstrap: string): Promise<string[]> {
    const admin = kafka(bootstrap).admin();
    await admin.connect();
    try {
      const { brokers } = await admin.describeCluster();
      return brokers.map(({ host, port }) => `${host}:${port}`).sort();
    } finally {
      await admin.disconnect();
    }
  }

  const of = (port: number): string[] => [`127.0.0.1:${port}`, `127.0.0.2:${port}`];
  const at = (bootstrap: string, expected: readonly string[]) => async () => {
    const told = await addresses(bootstrap).catch(() => []);
    return told.join() === expected.join() ? true : undefined;
  };

  it("a client that comes in by it stays on it, and its records are those of everybody", async () => {
    await eventually(at(`127.0.0.1:${outsidePort}`, of(outsidePort)), "addresses outside");
    const inside = cluster.bootstrap[0] ?? "";
    assert.deepEqual(await addresses(inside), [...cluster.bootstrap].sort());

    const outside = kafka(`127.0.0.2:${outsidePort}`);
    const admin = outside.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: "t", numPartitions: 4, replicationFactor: 2 }] });
    await admin.disconnect();
    const producer = outside.producer();
    await producer.connect();
    const messages = Array.from({ length: 40 }, (_, i) => ({ partition: i % 4, value: `v${i}` }));
    await producer.send({ topic: "t", messages });
    await producer.disconnect();
    for (const bootstrap of [`127.0.0.1:${outsidePort}`, inside]) {
      const consumer = kafka(bootstrap).consumer({
        groupId: `g-${bootstrap}`,
        maxWaitTimeInMs: 200,
      });
      await consumer.connect();
      await consumer.subscribe({ topic: "t", fromBeginning: true });
      const seen = new Set<string>();
      const all = new Promise<void>((resolve) => {
        void consumer.run({
          eachMessage: ({ message }) => {
            seen.add(message.value?.toString() ?? "");
            if (seen.size === messages.length) resolve();
            return Promise.resolve();
          },
        });
      });
      await all;
      await consumer.disconnect();
      assert.deepEqual([...seen].sort(), messages.map(({ value }) => value).sort());
    }
  });

  it("another one in its place is opened by running brokers, and the old one closed", async () => {
    const { brokers } = cluster;
    const epochs = brokers.map(({ epoch }) => epoch);
    const now = await cluster.kube.get(brokerClusters, "default", "test");
    const port = outsidePort + 1;
    const spec = { ...now.spec, listeners: [{ name: "other", port, type: "loadbalancer" }] };
    await cluster.kube.replace(brokerClusters, "default", { ...now, spec } as typeof now);
    await found("other", port);
    await eventually(at(`127.0.0.2:${port}`, of(port)), "addresses of the new listener");
    await eventually(
      () =>
        addresses(`127.0.0.1:${outsidePort}`).then(
          () => undefined,
          () => Promise.resolve(true),
        ),
      "nothing at the old port",
    );
    assert.deepEqual(
      brokers.map(({ epoch }) => epoch),
      epochs,
    );
  });
});
