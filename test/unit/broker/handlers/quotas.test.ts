import assert from "node:assert/strict";
import { handleAlterClientQuotas } from "../../../../broker/handlers/alter-client-quotas.ts";
import { handleDescribeClientQuotas } from "../../../../broker/handlers/describe-client-quotas.ts";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { handleProduce } from "../../../../broker/handlers/produce.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
} from "../../../../broker/protocol/messages/alter-client-quotas.ts";
import {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from "../../../../broker/protocol/messages/describe-client-quotas.ts";
import {
  fetchRequest,
  type FetchResponse,
  fetchResponse,
} from "../../../../broker/protocol/messages/fetch.ts";
import { produceRequest, produceResponse } from "../../../../broker/protocol/messages/produce.ts";
import type { QuotaAdmin } from "../../../../broker/quotas/quota-admin.ts";
import type { QuotaEntity, QuotaLimits } from "../../../../cluster/client-quota.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import { ask, type FakeHosted, HandlerWorld, TOPIC_ID } from "./fakes.ts";

/** Topic a on the broker under test, and a quota of the client; a burst is a second's worth. */
function worldOf(
  limits: QuotaLimits,
  entity: QuotaEntity = { clientId: "client" },
): {
  world: HandlerWorld;
  hosted: FakeHosted;
} {
  const world = new HandlerWorld();
  world.broker(0);
  world.topic("a", [{}]);
  const hosted = world.host("a", 0);
  world.quotaTable.absorb({
    apiVersion: API_VERSION,
    kind: "ClientQuota",
    metadata: { name: "q", uid: "1" },
    spec: { cluster: "test", entity, limits },
  });
  return { world, hosted };
}

function produce(acks: number, bytes: number): Parameters<typeof produceRequest.encode>[0] {
  return {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: "a", partitionData: [{ index: 0, records: new Uint8Array(bytes) }] }],
  };
}

describe("quotas of a producer", () => {
  it("take what exceeds them, and say for how long to wait (KIP-219)", async () => {
    const { world, hosted } = worldOf({ producerByteRate: 1000 });
    const send = (): Promise<{ throttleTimeMs: number }> =>
      ask(world, handleProduce, produceRequest, produceResponse, 9, produce(1, 1000));
    assert.equal((await send()).throttleTimeMs, 0);
    const { throttleTimeMs } = await send();
    assert.ok(throttleTimeMs > 900 && throttleTimeMs <= 1000, String(throttleTimeMs));
    assert.equal(hosted.fakeLog.logEndOffset, 2);
  });

  it("mute one that wants no answer", () => {
    const { world } = worldOf({ producerByteRate: 1000 });
    const request = produceRequest.decode(produceRequest.encode(produce(0, 3000), 9), 0, 9);
    assert.equal(handleProduce(world.context(), request, 9), undefined);
    assert.deepEqual(world.connection.muted, [2000]);
  });

  it("do not hold for another client id", async () => {
    const { world } = worldOf({ producerByteRate: 1 }, { clientId: "another" });
    const answer = await ask(
      world,
      handleProduce,
      produceRequest,
      produceResponse,
      9,
      produce(1, 1000),
    );
    assert.equal(answer.throttleTimeMs, 0);
  });
});

describe("quotas of a consumer", () => {
  function fetch(
    world: HandlerWorld,
    session: { readonly sessionId: number; readonly sessionEpoch: number },
    listener = "plaintext",
  ): Promise<FetchResponse> {
    return ask(
      world,
      handleFetch,
      fetchRequest,
      fetchResponse,
      13,
      {
        maxWaitMs: 500,
        minBytes: 1,
        ...session,
        topics:
          session.sessionEpoch > 0
            ? []
            : [
                {
                  topicId: TOPIC_ID,
                  partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }],
                },
              ],
      },
      listener,
    );
  }
  const bytesOf = (answer: FetchResponse): number =>
    answer.responses[0]?.partitions[0]?.records?.length ?? 0;

  it("answer with records until they are exceeded, and then without and at once", async () => {
    const { world, hosted } = worldOf({ consumerByteRate: 100 });
    hosted.fakeLog.batchBytes = 300;
    world.append(hosted, 5);
    const first = await fetch(world, { sessionId: 0, sessionEpoch: 0 });
    // One batch comes whatever its size; an answer is bounded by what the client may have at once.
    assert.deepEqual([bytesOf(first), first.throttleTimeMs], [300, 2000]);
    const before = world.scheduler.now();
    const { sessionId } = first;
    const second = await fetch(world, { sessionId, sessionEpoch: 1 });
    assert.deepEqual([bytesOf(second), second.sessionId], [0, sessionId]);
    assert.ok(second.throttleTimeMs > 1900 && world.scheduler.now() < before + 500);
    await world.scheduler.advance(second.throttleTimeMs);
    const third = await fetch(world, { sessionId, sessionEpoch: 2 });
    assert.equal(bytesOf(third), 300);
  });

  it("begin no session with an answer that has no partitions", async () => {
    const { world, hosted } = worldOf({ consumerByteRate: 100 });
    hosted.fakeLog.batchBytes = 300;
    world.append(hosted, 1);
    await fetch(world, { sessionId: 0, sessionEpoch: -1 });
    const answer = await fetch(world, { sessionId: 0, sessionEpoch: 0 });
    assert.equal(answer.sessionId, 0);
    assert.ok(answer.throttleTimeMs > 0);
    assert.equal(world.fetchSessions.size, 0);
  });

  it("do not hold between brokers", async () => {
    const { world, hosted } = worldOf({ consumerByteRate: 1 });
    world.append(hosted, 5);
    const answer = await fetch(world, { sessionId: 0, sessionEpoch: -1 }, "internal");
    assert.deepEqual([bytesOf(answer), answer.throttleTimeMs], [50, 0]);
  });
});

describe("describe client quotas", () => {
  it("names entities and their quotas as Kafka does", async () => {
    const { world } = worldOf(
      { producerByteRate: 5, requestPercentage: 1.5 },
      { user: "<default>", clientId: "client" },
    );
    const answer = await ask(
      world,
      handleDescribeClientQuotas,
      describeClientQuotasRequest,
      describeClientQuotasResponse,
      1,
      { components: [{ entityType: "client-id", matchType: 0, match: "client" }] },
    );
    assert.equal(answer.errorCode, ErrorCode.NONE);
    assert.deepEqual(answer.entries, [
      {
        entity: [
          { entityType: "user", entityName: null },
          { entityType: "client-id", entityName: "client" },
        ],
        values: [
          { key: "producer_byte_rate", value: 5 },
          { key: "request_percentage", value: 1.5 },
        ],
      },
    ]);
  });

  it("refuses a filter that cannot be", async () => {
    const { world } = worldOf({});
    const answer = await ask(
      world,
      handleDescribeClientQuotas,
      describeClientQuotasRequest,
      describeClientQuotasResponse,
      0,
      { components: [{ entityType: "user", matchType: 9, match: null }] },
    );
    assert.deepEqual([answer.errorCode, answer.entries], [ErrorCode.INVALID_REQUEST, null]);
  });
});

describe("alter client quotas", () => {
  const op = { key: "producer_byte_rate", value: 7, remove: false };
  const user = (entityName: string | null): { entityType: string; entityName: string | null }[] => [
    { entityType: "user", entityName },
  ];

  for (const validateOnly of [false, true]) {
    it(`${validateOnly ? "only checks" : "writes what it can of"} the entries, each by itself`, async () => {
      const { world } = worldOf({ consumerByteRate: 3 }, { user: "a" });
      const written: unknown[] = [];
      world.extra = {
        quotaAdmin: {
          alter: (entity: QuotaEntity, decide: (limits: QuotaLimits) => QuotaLimits) => {
            written.push([entity, decide({ consumerByteRate: 3 })]);
            return Promise.resolve();
          },
        } as unknown as QuotaAdmin,
      };
      const answer = await ask(
        world,
        handleAlterClientQuotas,
        alterClientQuotasRequest,
        alterClientQuotasResponse,
        1,
        {
          entries: [
            { entity: user("a"), ops: [op] },
            { entity: user("b"), ops: [{ ...op, value: -1 }] },
            { entity: user("c"), ops: [op] },
            { entity: user("c"), ops: [op] },
            { entity: [], ops: [op] },
          ],
          validateOnly,
        },
      );
      const { NONE, INVALID_REQUEST } = ErrorCode;
      assert.deepEqual(
        answer.entries.map(({ errorCode }) => errorCode),
        [NONE, INVALID_REQUEST, INVALID_REQUEST, INVALID_REQUEST, INVALID_REQUEST],
      );
      assert.deepEqual(answer.entries[0]?.entity, user("a"));
      const limits = { consumerByteRate: 3, producerByteRate: 7 };
      assert.deepEqual(written, validateOnly ? [] : [[{ user: "a" }, limits]]);
    });
  }
});
