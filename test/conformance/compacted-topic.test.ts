import assert from "node:assert/strict";
import { Kafka, logLevel, type Admin, type Producer } from "kafkajs";
import type { Broker } from "../../broker/broker.ts";
import { RpcClient } from "../../broker/network/rpc-client.ts";
import { createTcpNetwork } from "../../broker/network/tcp-network.ts";
import { ErrorCode } from "../../broker/protocol/error-codes.ts";
import {
  offsetCommitRequest,
  offsetCommitResponse,
} from "../../broker/protocol/messages/offset-commit.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import { present } from "../../lib/assert.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { type InProcessCluster, startInProcessCluster } from "../support/in-process-cluster.ts";

const TOPIC = "compacted";
const OFFSETS = "__consumer_offsets";
const KEYS = 20;
const ROUNDS = 150;
const SEGMENT_BYTES = 4096;

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 800) throw new Error(`not so within 40 s: ${what}`);
    await sleep(realScheduler, 50);
  }
}

/** Three brokers with a replica each of a compacted topic, and of the offsets topic. */
describe("a compacted topic", function () {
  this.timeout(120_000);
  let cluster: InProcessCluster;
  let kafka: Kafka;
  let admin: Admin;
  let producer: Producer;
  const expected = new Map<string, string>();

  before(async () => {
    cluster = await startInProcessCluster({
      brokers: 3,
      basePort: 21_000 + Math.floor(Math.random() * 8000),
      config: {
        "log.cleaner.backoff.ms": "50",
        "forebay.checkpoint.interval.ms": "20",
        "offsets.topic.segment.bytes": String(SEGMENT_BYTES),
        "offsets.topic.num.partitions": "1",
      },
    });
    kafka = new Kafka({ brokers: cluster.bootstrap, logLevel: logLevel.NOTHING });
    admin = kafka.admin();
    producer = kafka.producer({ allowAutoTopicCreation: false });
    await admin.connect();
    await producer.connect();
    await admin.createTopics({
      topics: [
        {
          topic: TOPIC,
          numPartitions: 1,
          replicationFactor: 3,
          configEntries: [
            { name: "cleanup.policy", value: "compact" },
            { name: "segment.bytes", value: String(SEGMENT_BYTES) },
            { name: "min.cleanable.dirty.ratio", value: "0.1" },
          ],
        },
      ],
    });
  });
  after(async () => {
    await producer.disconnect();
    await admin.disconnect();
    await cluster.stop();
  });

  const logOf = (broker: Broker, topic: string) => broker.replicas?.get(topic, 0)?.log;
  const leaderOf = (topic: string): number => {
    const leader = cluster.brokers.findIndex(
      (broker) => broker.replicas?.get(topic, 0)?.isLeader === true,
    );
    assert(leader >= 0, `${topic} has a leader`);
    return leader;
  };

  /** Until each replica holds little more than the newest records and an active segment. */
  const compactedEverywhere = (topic: string, bytes: number): Promise<void> =>
    until(`${topic} is compacted on every replica`, () =>
      cluster.brokers.every((broker) => (logOf(broker, topic)?.sizeBytes ?? Infinity) < bytes),
    );

  async function readAll(groupId: string): Promise<Map<string, string>> {
    const [end] = await admin.fetchTopicOffsets(TOPIC);
    const last = Number(end?.high) - 1;
    const consumer = kafka.consumer({ groupId });
    const found = new Map<string, string>();
    await consumer.connect();
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: ({ message }) => {
            found.set(String(message.key), String(message.value));
            if (Number(message.offset) === last) resolve();
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
    await consumer.disconnect();
    return found;
  }

  async function restart(id: number, lostVolume = false): Promise<void> {
    await present(cluster.brokers[id], "a broker").drain();
    if (lostVolume) present(cluster.storages[id], "a volume").wipe();
    await cluster.start(id);
    await until(`broker ${id} is in sync`, () =>
      [TOPIC, OFFSETS].every((topic) => {
        const leader = cluster.brokers.find((one) => one.replicas?.get(topic, 0)?.isLeader);
        const isr = leader?.replicas?.get(topic, 0)?.record.state?.isr ?? [];
        return isr.length === 3;
      }),
    );
  }

  function connect(id: number): Promise<RpcClient> {
    const [host = "", port = ""] = (cluster.bootstrap[id] ?? "").split(":");
    return RpcClient.connect({
      network: createTcpNetwork({ logger: silentLogger }),
      scheduler: realScheduler,
      host,
      port: Number(port),
      clientId: "test",
      timeout: 5000,
    });
  }

  /** @returns the error code */
  function commit(client: RpcClient, groupId: string, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      client.send(
        offsetCommitRequest,
        offsetCommitResponse,
        8,
        {
          groupId,
          generationIdOrMemberEpoch: -1,
          memberId: "",
          topics: [
            {
              name: TOPIC,
              partitions: [
                { partitionIndex: 0, committedOffset: offset, committedMetadata: "x".repeat(50) },
              ],
            },
          ],
        },
        5000,
        ({ topics }) => resolve(topics[0]?.partitions[0]?.errorCode ?? -1),
        reject,
      );
    });
  }

  it("refuses records without key one by one (KIP-467)", async () => {
    const client = await connect(leaderOf(TOPIC));
    const records = buildBatch({
      compression: 4,
      records: ["a", null, "c", null].map((key) => ({
        key: key === null ? null : Buffer.from(key),
        value: Buffer.from("v"),
        timestamp: Date.now(),
      })),
    });
    const answer = await new Promise<unknown>((resolve, reject) => {
      client.send(
        produceRequest,
        produceResponse,
        9,
        {
          transactionalId: null,
          acks: -1,
          timeoutMs: 5000,
          topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
        },
        5000,
        ({ responses }) => {
          const result = responses[0]?.partitionResponses[0];
          const places = result?.recordErrors.map(({ batchIndex }) => batchIndex);
          resolve([result?.errorCode, result?.baseOffset, places]);
        },
        reject,
      );
    });
    client.close();
    assert.deepEqual(answer, [ErrorCode.INVALID_RECORD, -1, [1, 3]]);
  });

  it("is compacted by each replica for itself, and read to the newest value of each key", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const messages = Array.from({ length: KEYS }, (_, key) => ({
        key: `k${key}`,
        value: `${key} in round ${round}`,
      }));
      for (const { key, value } of messages) expected.set(key, value);
      await producer.send({ topic: TOPIC, messages });
    }
    await compactedEverywhere(TOPIC, 4 * SEGMENT_BYTES);
    assert.deepEqual(await readAll("first"), expected);
    assert.equal(cluster.brokers[0]?.logs?.compaction.uncleanable, 0);
  });

  it("is copied by a replica that lost its volume, which may then lead", async () => {
    const leader = leaderOf(TOPIC);
    const lost = (leader + 1) % 3;
    await restart(lost, true);
    const ends = cluster.brokers.map((broker) => logOf(broker, TOPIC)?.logEndOffset);
    assert.equal(new Set(ends).size, 1, `log ends ${ends.join()}`);
    await restart((lost + 1) % 3);
    await restart((lost + 2) % 3);
    await producer.send({ topic: TOPIC, messages: [{ key: "k0", value: "after all" }] });
    expected.set("k0", "after all");
    assert.deepEqual(await readAll("second"), expected);
  });

  it("keeps committed offsets in little room, through restarts", async () => {
    const commits = 400;
    const client = await connect(leaderOf(OFFSETS));
    for (let offset = 1; offset <= commits; offset++) {
      assert.equal(await commit(client, `g${offset % 4}`, offset), ErrorCode.NONE);
    }
    client.close();
    await compactedEverywhere(OFFSETS, 5 * SEGMENT_BYTES);
    for (const id of [0, 1, 2]) await restart(id);
    for (const group of [0, 1, 2, 3]) {
      const [offsets] = await admin.fetchOffsets({ groupId: `g${group}`, topics: [TOPIC] });
      const last = commits - ((commits - group) % 4);
      assert.equal(offsets?.partitions[0]?.offset, String(last));
    }
  });
});
