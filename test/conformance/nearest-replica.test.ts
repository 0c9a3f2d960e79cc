import assert from "node:assert/strict";
import { createTcpNetwork } from "../../broker/network/tcp-network.ts";
import { RpcClient } from "../../broker/network/rpc-client.ts";
import { ErrorCode } from "../../broker/protocol/error-codes.ts";
import {
  createTopicsRequest,
  createTopicsResponse,
} from "../../broker/protocol/messages/create-topics.ts";
import { fetchRequest, fetchResponse } from "../../broker/protocol/messages/fetch.ts";
import { metadataRequest, metadataResponse } from "../../broker/protocol/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import { buildBatch, iterateBatches, readRecords } from "../../broker/protocol/record-batch.ts";
import type { MessageDefinition } from "../../broker/protocol/schema.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { type InProcessCluster, startInProcessCluster } from "../support/in-process-cluster.ts";

const SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
const TIMEOUT_MS = 10_000;

describe("reading from the nearest replica (KIP-392)", () => {
  let cluster: InProcessCluster;
  const clients = new Map<number, RpcClient>();
  const basePort = 21_000 + Math.floor(Math.random() * 8000);

  before(async () => {
    cluster = await startInProcessCluster({
      brokers: 2,
      basePort,
      racks: ["a", "b"],
      config: { "replica.selector.class": SELECTOR },
    });
  });
  after(async () => {
    for (const client of clients.values()) client.close();
    await cluster.stop();
  });

  /** @param pick takes out of the answer what is wanted while its bytes are valid, which is during that call. */
  async function ask<Req, Res, Picked = Res>(
    broker: number,
    request: MessageDefinition<Req>,
    response: MessageDefinition<Res>,
    version: number,
    value: Parameters<MessageDefinition<Req>["encode"]>[0],
    pick: (answer: Res) => Picked = (answer) => answer as unknown as Picked,
  ): Promise<Picked> {
    const client =
      clients.get(broker) ??
      (await RpcClient.connect({
        network: createTcpNetwork({ logger: silentLogger }),
        scheduler: realScheduler,
        host: "127.0.0.1",
        port: basePort + broker,
        clientId: "test",
        timeout: TIMEOUT_MS,
      }));
    clients.set(broker, client);
    return new Promise((resolve, reject) => {
      client.send(
        request,
        response,
        version,
        value,
        TIMEOUT_MS,
        (answer) => resolve(pick(answer)),
        reject,
      );
    });
  }

  it("sends a consumer to the follower in its rack, which has what is committed", async () => {
    const created = await ask(0, createTopicsRequest, createTopicsResponse, 7, {
      topics: [{ name: "near", numPartitions: 1, replicationFactor: 2 }],
      timeoutMs: TIMEOUT_MS,
    });
    assert.equal(created.topics[0]?.errorCode, ErrorCode.NONE);
    const described = await ask(0, metadataRequest, metadataResponse, 12, {
      topics: [{ name: "near" }],
    });
    const leader = described.topics[0]?.partitions[0]?.leaderId ?? -1;
    const topicId = described.topics[0]?.topicId ?? "";
    const follower = 1 - leader;
    const rackId = follower === 0 ? "a" : "b";
    const fetch = (broker: number, fetchOffset: number, maxWaitMs: number) =>
      ask(
        broker,
        fetchRequest,
        fetchResponse,
        13,
        {
          maxWaitMs,
          minBytes: 1,
          rackId,
          topics: [
            { topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1000 }] },
          ],
        },
        ({ responses }) => {
          const one = responses[0]?.partitions[0] ?? assert.fail("no answer");
          const bytes = one.records ?? new Uint8Array(0);
          const values = [...iterateBatches(bytes)].flatMap((batch) =>
            readRecords(bytes, batch).map(({ value }) => Buffer.from(value ?? []).toString()),
          );
          return { ...one, values };
        },
      );
    const produce = async (value: string): Promise<void> => {
      const answer = await ask(leader, produceRequest, produceResponse, 9, {
        acks: -1,
        timeoutMs: TIMEOUT_MS,
        topicData: [
          {
            name: "near",
            partitionData: [
              {
                index: 0,
                records: buildBatch({ records: [{ value: Buffer.from(value), timestamp: 1 }] }),
              },
            ],
          },
        ],
      });
      assert.equal(answer.responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE);
    };

    await produce("one");
    // The leader knows of the follower what its last fetch said; by the time of the acknowledgement it has the record.
    assert.equal((await fetch(leader, 0, 0)).preferredReadReplica, follower);
    // A read at the follower waits for the high watermark to be known there; it is told without being asked.
    const waiting = fetch(follower, 1, 5000);
    await produce("two");
    const found = await waiting;
    assert.equal(found.errorCode, ErrorCode.NONE);
    assert.equal(found.preferredReadReplica, -1);
    assert.equal(found.highWatermark, 2);
    assert.deepEqual(found.values, ["two"]);
  });
});
